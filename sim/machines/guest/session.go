package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

// session is the conversation with one host.
type session struct {
	mu      sync.Mutex
	answers *json.Encoder
	running map[uint64]func() // kills the command of a request
}

func (s *session) handle(request wire.Request) {
	answer := wire.Answer{Number: request.Number}
	var err error
	switch request.Do {
	case wire.Hello:
	case wire.Run:
		s.start(request)
		return
	case wire.Cancel:
		s.mu.Lock()
		defer s.mu.Unlock()
		if kill := s.running[request.Number]; kill != nil {
			kill()
		}
		return
	case wire.Put:
		err = put(request)
	case wire.Get:
		answer.Data, err = get(request)
	default:
		err = errors.New("unknown request " + request.Do)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	s.send(answer)
}

func (s *session) send(answer wire.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A host that went away finds no answer when it comes back, and asks again.
	_ = s.answers.Encode(answer)
}

// start runs a command in a process group of its own and answers when it ends.
func (s *session) start(request wire.Request) {
	command := exec.Command("/bin/sh", "-c", request.Command)
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "PAGER=cat", "SYSTEMD_COLORS=0"}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	answer := wire.Answer{Number: request.Number}
	stdout, stderr, wait, err := launch(command)
	if err != nil {
		answer.Error = err.Error()
		s.send(answer)
		return
	}
	s.mu.Lock()
	s.running[request.Number] = func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	s.mu.Unlock()
	go func() {
		wait()
		s.mu.Lock()
		delete(s.running, request.Number)
		s.mu.Unlock()
		answer.Exit = exitCode(command.ProcessState)
		answer.Stdout, answer.Stderr = stdout.take(), stderr.take()
		s.send(answer)
	}()
}

// launch starts a command. The wait that it returns ends with the command itself,
// even if a daemon that the command left behind still holds its output.
func launch(command *exec.Cmd) (stdout, stderr *output, wait func(), err error) {
	stdout, stderr = &output{}, &output{}
	var copied sync.WaitGroup
	var ends []*os.File
	for _, to := range []struct {
		out  *output
		sink *io.Writer
	}{{stdout, &command.Stdout}, {stderr, &command.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, nil, nil, err
		}
		*to.sink = w
		ends = append(ends, r, w)
		copied.Go(func() { _, _ = io.Copy(to.out, r) })
	}
	err = command.Start()
	_, _ = ends[1].Close(), ends[3].Close()
	wait = func() {
		_ = command.Wait()
		drain(&copied, ends[0], ends[2])
	}
	if err != nil {
		wait = nil
		drain(&copied, ends[0], ends[2])
	}
	return stdout, stderr, wait, err
}

// drain waits until the pipes are empty, but no longer than a second for a daemon
// that keeps them open.
func drain(copied *sync.WaitGroup, pipes ...*os.File) {
	for _, pipe := range pipes {
		_ = pipe.SetReadDeadline(time.Now().Add(time.Second))
	}
	copied.Wait()
	for _, pipe := range pipes {
		_ = pipe.Close()
	}
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// output collects what a command writes, up to 16 MiB; the rest is dropped.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes.Len() < 16<<20 {
		o.bytes.Write(p)
	}
	return len(p), nil
}

func (o *output) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.bytes.Bytes())
}

func put(request wire.Request) error {
	flags := os.O_WRONLY | os.O_CREATE
	if request.Offset == 0 {
		if err := os.MkdirAll(filepath.Dir(request.Path), 0o755); err != nil {
			return err
		}
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(request.Path, flags, os.FileMode(request.Mode))
	if err != nil {
		return err
	}
	_, err = file.WriteAt(request.Data, request.Offset)
	if request.Offset == 0 && err == nil {
		err = file.Chmod(os.FileMode(request.Mode)) // whatever the umask, or the mode that was
	}
	return errors.Join(err, file.Close())
}

func get(request wire.Request) ([]byte, error) {
	file, err := os.Open(request.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	piece := make([]byte, wire.Piece)
	n, err := file.ReadAt(piece, request.Offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return piece[:n], err
}
