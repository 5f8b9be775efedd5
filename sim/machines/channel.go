package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

// guestPort is where the helper of a board listens.
const guestPort = 9

// channel carries requests to a machine's helper and answers back.
type channel struct {
	conn net.Conn

	mu      sync.Mutex
	encoder *json.Encoder
	next    uint64
	waiting map[uint64]chan wire.Answer
	broken  error // why there will be no more answers

	done sync.WaitGroup
}

// open begins to talk on a connection.
func openChannel(conn net.Conn) *channel {
	c := &channel{conn: conn, encoder: json.NewEncoder(conn), waiting: map[uint64]chan wire.Answer{}}
	c.done.Go(c.receive)
	return c
}

func (c *channel) receive() {
	answers := json.NewDecoder(c.conn)
	for {
		var answer wire.Answer
		err := answers.Decode(&answer)
		c.mu.Lock()
		if err != nil {
			c.broken = fmt.Errorf("the channel broke: %w", err)
			for _, to := range c.waiting {
				close(to)
			}
			c.waiting = nil
			c.mu.Unlock()
			return
		}
		if to := c.waiting[answer.Number]; to != nil {
			to <- answer
			delete(c.waiting, answer.Number)
		}
		c.mu.Unlock()
	}
}

// ask sends a request and waits for its answer.
func (c *channel) ask(ctx context.Context, request wire.Request) (wire.Answer, error) {
	to := make(chan wire.Answer, 1)
	c.mu.Lock()
	if c.broken != nil {
		defer c.mu.Unlock()
		return wire.Answer{}, c.broken
	}
	c.next++
	request.Number = c.next
	c.waiting[request.Number] = to
	err := c.encoder.Encode(request)
	c.mu.Unlock()
	if err != nil {
		return wire.Answer{}, err
	}
	select {
	case answer, ok := <-to:
		switch {
		case !ok:
			return answer, c.broken
		case answer.Error != "":
			return answer, errors.New(answer.Error)
		}
		return answer, nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, request.Number)
		if request.Do == wire.Run {
			_ = c.encoder.Encode(wire.Request{Number: request.Number, Do: wire.Cancel})
		}
		return wire.Answer{}, context.Cause(ctx)
	}
}

func (c *channel) close() {
	_ = c.conn.Close()
	c.done.Wait()
}

// boot waits until the helper answers and systemd has no more to start.
func (m *Machine) boot(ctx context.Context) error {
	if err := m.connect(ctx); err != nil {
		return err
	}
	if m.image.board {
		return nil
	}
	state, err := m.Run(ctx, "systemctl is-system-running --wait")
	if err != nil {
		return err
	}
	if now := strings.TrimSpace(state.Stdout); now != "running" {
		failed, _ := m.Run(ctx, "systemctl --failed --plain --no-legend; systemctl list-jobs --no-legend")
		return fmt.Errorf("systemd says %q: %s", now, lastLines(failed.Stdout, 5))
	}
	return nil
}

// connect opens the channel. QEMU takes connections before anybody inside listens, so an answer is what counts.
func (m *Machine) connect(ctx context.Context) error {
	network, address, patience := "unix", m.socket(), time.Hour
	if m.image.board {
		network, address, patience = "tcp", m.ports[guestPort], 5*time.Second
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			c := openChannel(conn)
			if err = m.hello(ctx, c, patience); err == nil {
				m.channel = c
				return nil
			}
			c.close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: its helper does not answer: %w", context.Cause(ctx), err)
		case <-m.ended:
			return errEnded
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// hello waits for an answer; the end of the machine breaks the channel.
func (m *Machine) hello(ctx context.Context, c *channel, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no answer yet"))
	defer cancel()
	_, err := c.ask(ctx, wire.Request{Do: wire.Hello})
	return err
}
