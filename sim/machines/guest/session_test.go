package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

// host is the other end of a session.
type host struct {
	t        *testing.T
	requests *json.Encoder
	answers  *json.Decoder
}

func talk(t *testing.T) host {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(theirs)
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		<-done
	})
	return host{t, json.NewEncoder(ours), json.NewDecoder(ours)}
}

func (h host) send(request wire.Request) {
	h.t.Helper()
	if err := h.requests.Encode(request); err != nil {
		h.t.Fatal(err)
	}
}

func (h host) ask(request wire.Request) wire.Answer {
	h.t.Helper()
	h.send(request)
	return h.answer()
}

func (h host) answer() wire.Answer {
	h.t.Helper()
	var answer wire.Answer
	if err := h.answers.Decode(&answer); err != nil {
		h.t.Fatal(err)
	}
	return answer
}

func TestRun(t *testing.T) {
	h := talk(t)
	for _, test := range []struct {
		command, stdout, stderr string
		exit                    int
	}{
		{"echo out; echo err >&2; exit 3", "out\n", "err\n", 3},
		{"kill -9 $$", "", "", 137},
		{"none", "", "not found", 127},
		{"sleep 5 & echo begun", "begun\n", "", 0},
	} {
		got := h.ask(wire.Request{Number: 7, Do: wire.Run, Command: test.command})
		if got.Number != 7 || got.Exit != test.exit || string(got.Stdout) != test.stdout || !strings.Contains(string(got.Stderr), test.stderr) || got.Error != "" {
			t.Errorf("%s: got %+v", test.command, got)
		}
	}
}

// A command that runs holds nothing up, and can be killed with all that it started.
func TestCancel(t *testing.T) {
	h := talk(t)
	h.send(wire.Request{Number: 1, Do: wire.Run, Command: "echo begun; sleep 1000; echo never"})
	if got := h.ask(wire.Request{Number: 2, Do: wire.Hello}); got.Number != 2 {
		t.Errorf("got %+v", got)
	}
	h.send(wire.Request{Number: 1, Do: wire.Cancel})
	if got := h.answer(); got.Number != 1 || got.Exit != 137 || strings.Contains(string(got.Stdout), "never") {
		t.Errorf("got %+v", got)
	}
}

func TestFiles(t *testing.T) {
	h := talk(t)
	path := filepath.Join(t.TempDir(), "new/file")
	content := bytes.Repeat([]byte("x"), wire.Piece+10)
	for offset := 0; offset < len(content); offset += wire.Piece {
		piece := content[offset:min(offset+wire.Piece, len(content))]
		if got := h.ask(wire.Request{Do: wire.Put, Path: path, Mode: 0o604, Offset: int64(offset), Data: piece}); got.Error != "" {
			t.Fatal(got.Error)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o604 || info.Size() != int64(len(content)) {
		t.Errorf("got %v, %v", info, err)
	}
	first := h.ask(wire.Request{Do: wire.Get, Path: path})
	rest := h.ask(wire.Request{Do: wire.Get, Path: path, Offset: wire.Piece})
	if len(first.Data) != wire.Piece || len(rest.Data) != 10 {
		t.Errorf("got %d and %d bytes", len(first.Data), len(rest.Data))
	}
	// A file is made anew, not written over.
	h.ask(wire.Request{Do: wire.Put, Path: path, Mode: 0o600, Data: []byte("y")})
	if got := h.ask(wire.Request{Do: wire.Get, Path: path}); string(got.Data) != "y" {
		t.Errorf("got %q", got.Data)
	}
	if got := h.ask(wire.Request{Do: wire.Get, Path: path + "x"}); !strings.Contains(got.Error, "no such file") {
		t.Errorf("got %+v", got)
	}
	if got := h.ask(wire.Request{Do: "dance"}); got.Error == "" {
		t.Error("an unknown request was taken")
	}
}
