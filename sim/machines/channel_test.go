package machines

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

// helper is the other end of a channel.
type helper struct {
	conn     net.Conn
	requests *json.Decoder
	answers  *json.Encoder
}

func connected(t *testing.T) (*channel, helper) {
	t.Helper()
	ours, theirs := net.Pipe()
	c := openChannel(ours)
	t.Cleanup(c.close)
	return c, helper{theirs, json.NewDecoder(theirs), json.NewEncoder(theirs)}
}

func (h helper) next(t *testing.T) wire.Request {
	t.Helper()
	var request wire.Request
	if err := h.requests.Decode(&request); err != nil {
		t.Fatal(err)
	}
	return request
}

// Answers find their requests in whatever order they come.
func TestAnswersInAnyOrder(t *testing.T) {
	c, h := connected(t)
	var done sync.WaitGroup
	for _, command := range []string{"one", "two"} {
		done.Go(func() {
			answer, err := c.ask(t.Context(), wire.Request{Do: wire.Run, Command: command})
			if err != nil || string(answer.Stdout) != command {
				t.Errorf("%s: got %q, %v", command, answer.Stdout, err)
			}
		})
	}
	first, second := h.next(t), h.next(t)
	for _, request := range []wire.Request{second, first} {
		if err := h.answers.Encode(wire.Answer{Number: request.Number, Stdout: []byte(request.Command)}); err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
}

func TestAskedInVain(t *testing.T) {
	c, h := connected(t)
	go func() {
		request := h.next(t)
		_ = h.answers.Encode(wire.Answer{Number: request.Number, Error: "no such file"})
	}()
	if _, err := c.ask(t.Context(), wire.Request{Do: wire.Get}); err == nil || err.Error() != "no such file" {
		t.Errorf("got %v", err)
	}
}

// A command whose context ends is killed.
func TestCancel(t *testing.T) {
	c, h := connected(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	asked := make(chan error)
	go func() {
		_, err := c.ask(ctx, wire.Request{Do: wire.Run, Command: "sleep 1000"})
		asked <- err
	}()
	run := h.next(t)
	cancel(why)
	if got := h.next(t); got.Do != wire.Cancel || got.Number != run.Number {
		t.Errorf("got %+v after %+v", got, run)
	}
	if err := <-asked; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// When the machine ends, nobody waits for it any longer, and nobody begins to.
func TestBrokenChannel(t *testing.T) {
	c, h := connected(t)
	asked := make(chan error)
	go func() {
		_, err := c.ask(t.Context(), wire.Request{Do: wire.Run})
		asked <- err
	}()
	h.next(t)
	_ = h.conn.Close()
	for range 2 {
		if err := <-asked; err == nil || !strings.Contains(err.Error(), "channel broke") {
			t.Errorf("got %v", err)
		}
		go func() {
			_, err := c.ask(t.Context(), wire.Request{Do: wire.Run})
			asked <- err
		}()
	}
	<-asked
}
