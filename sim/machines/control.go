package machines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

// Result is what a command left.
type Result struct {
	Stdout, Stderr string
	Exit           int // 128 and the signal for a command that was killed
}

// Run runs a command with /bin/sh as root and waits for its end. A command that fails is no error; one that cannot be
// asked for is: the machine ended, or the context did, and then the command is killed. A daemon that the command leaves in
// the background goes on, if it does not hold the command's output.
func (m *Machine) Run(ctx context.Context, command string) (Result, error) {
	answer, err := m.channel.ask(ctx, wire.Request{Do: wire.Run, Command: command})
	if err != nil {
		return Result{}, m.explain(fmt.Errorf("run %q: %w", command, err))
	}
	return Result{Stdout: string(answer.Stdout), Stderr: string(answer.Stderr), Exit: answer.Exit}, nil
}

// Output is Run for a command that must succeed: it returns the standard output without the white space around it, and an
// error with all that the command said when it fails.
func (m *Machine) Output(ctx context.Context, command string) (string, error) {
	result, err := m.Run(ctx, command)
	if err != nil {
		return "", err
	}
	stdout := strings.TrimSpace(result.Stdout)
	if result.Exit != 0 {
		return stdout, fmt.Errorf("machine %s: %q: exit code %d: %s", m.name, command, result.Exit, lastLines(result.Stdout+"\n"+result.Stderr, 12))
	}
	return stdout, nil
}

// Until runs a command again and again until it succeeds, and returns its output as Output does. When the context ends
// first, the error is the last failure.
func (m *Machine) Until(ctx context.Context, command string) (string, error) {
	for {
		out, err := m.Output(ctx, command)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil || m.over() {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-m.ended:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Put writes a file with permission bits, and the folders that lead to it. It also writes to what is no file, such as an
// attribute in /sys.
func (m *Machine) Put(ctx context.Context, path string, content []byte, mode os.FileMode) error {
	for offset := 0; offset == 0 || offset < len(content); offset += wire.Piece {
		piece := content[offset:min(offset+wire.Piece, len(content))]
		if _, err := m.channel.ask(ctx, wire.Request{Do: wire.Put, Path: path, Mode: uint32(mode.Perm()), Offset: int64(offset), Data: piece}); err != nil {
			return m.explain(fmt.Errorf("put %s: %w", path, err))
		}
	}
	return nil
}

// Get reads a file.
func (m *Machine) Get(ctx context.Context, path string) ([]byte, error) {
	var content []byte
	for {
		answer, err := m.channel.ask(ctx, wire.Request{Do: wire.Get, Path: path, Offset: int64(len(content))})
		if err != nil {
			return nil, m.explain(fmt.Errorf("get %s: %w", path, err))
		}
		content = append(content, answer.Data...)
		if len(answer.Data) < wire.Piece {
			return content, nil
		}
	}
}

// Name returns the machine's host name.
func (m *Machine) Name() string { return m.name }

// Console returns the path of the file that has all that the machine wrote to its serial console. The next machine of the
// same name writes it anew.
func (m *Machine) Console() string { return m.console }

// Address returns where on the host a port of Config.Ports is, as host:port; empty for any other.
func (m *Machine) Address(port int) string { return m.ports[port] }

// Kill cuts the power: nothing in the machine has a chance to do anything. It returns when the machine is gone, and does
// nothing to one that is.
func (m *Machine) Kill() {
	_ = m.process.Kill() // one that ended is what we want
	<-m.ended
	if m.channel != nil {
		m.channel.close()
	}
}

// Shutdown asks the machine to power off and waits until it did, until the context ends or for two minutes. A board is
// told to write out what it has and loses its power: what it runs from is memory, and QEMU's boards do not all end.
func (m *Machine) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("not off within 2m"))
	defer cancel()
	if m.image.board {
		_, err := m.Output(ctx, "sync")
		m.Kill()
		return err
	}
	// The answer may never come: the helper is among the first to go.
	asked, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = m.Run(asked, "systemctl --no-block poweroff")
	}()
	err := m.Wait(ctx)
	stop()
	<-done
	return err
}

// Wait waits until the machine ended by itself, or until the context ends.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("machine %s still runs: %w; its console ends: %s", m.name, context.Cause(ctx), m.lastWords())
	}
}

func (m *Machine) over() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

var errEnded = errors.New("the machine ended")

// explain adds to an error that the machine ended, if it did, and its last words.
func (m *Machine) explain(err error) error {
	if m.over() {
		return fmt.Errorf("machine %s: %w: %w; its console ends: %s", m.name, err, errEnded, m.lastWords())
	}
	return fmt.Errorf("machine %s: %w", m.name, err)
}
