// Package command switches a rail that is no GPIO line by running programs: for the port of a USB hub, a PoE switch or a
// smart plug.
//
// A program is a list of words and never goes through a shell. It finds the node's name in BRAMBLE_NODE, and otherwise
// an environment of PATH, HOME and LANG=C; standard input is empty. It says by its exit status whether it did its work,
// and must bear to be run again when that is done already. One that takes too long is killed with everything that it
// started, as long as that stayed in its process group.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// keptOutput is how much of a program's output an error shows, in bytes.
const keptOutput = 300

// afterlife is how long a program that has ended may have children that hold its output.
const afterlife = 200 * time.Millisecond

// Config says what switches a rail.
type Config struct {
	// Node is the name of the node that the rail feeds.
	Node string

	// On and Off are the programs that switch it, each with its arguments. The first word is an absolute path.
	On, Off []string

	// State is a program that ends with 0 when the rail is on and with 1 when it is off. Without it, the rail is
	// what it was last switched to, and unknown before.
	State []string

	// Timeout is how long a program may take: 100 ms to 1 min, 0 means 10 s.
	Timeout time.Duration
}

// Rail is a rail that programs switch. Its methods may be called from any goroutine; one program runs at a time, so that
// a call takes as long as those before it.
type Rail struct {
	config Config

	mu    sync.Mutex
	known bool // how it was switched last
	on    bool
}

// New checks the configuration and runs nothing. It reports every fault at once.
func New(config Config) (*Rail, error) {
	faults := []error{check("on", config.On), check("off", config.Off)}
	if config.State != nil {
		faults = append(faults, check("state", config.State))
	}
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Timeout < 100*time.Millisecond || config.Timeout > time.Minute {
		faults = append(faults, fmt.Errorf("timeout: %v: must be 100ms to 1m", config.Timeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Rail{config: config}, nil
}

func check(what string, words []string) error {
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return fmt.Errorf("%s: %q: must be a program's absolute path and its arguments", what, words)
	}
	return nil
}

// Set runs the program that switches the rail, also when it is switched so already: somebody else may have switched it
// since. The error holds the program's exit status and what it printed; then the rail may be either way.
func (r *Rail) Set(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	words := r.config.Off
	if on {
		words = r.config.On
	}
	r.known = false
	if err := r.run(words); err != nil {
		return fmt.Errorf("rail %s: %w", r.config.Node, err)
	}
	r.known, r.on = true, on
	return nil
}

// On asks the State program, or says how the rail was switched last. Without either it is an error that wraps
// [errors.ErrUnsupported].
func (r *Rail) On() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.config.State == nil {
		if !r.known {
			return false, fmt.Errorf("rail %s: not switched yet, and no state program is configured that could tell: %w", r.config.Node, errors.ErrUnsupported)
		}
		return r.on, nil
	}
	err := r.run(r.config.State)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 1 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("rail %s: %w", r.config.Node, err)
	}
	return true, nil
}

// run runs a program to its end, or to that of its time.
func (r *Rail) run(words []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.config.Timeout)
	defer cancel()
	var said output
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C", "BRAMBLE_NODE=" + r.config.Node}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = afterlife
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("killed after %v", r.config.Timeout)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it did its work, and has left somebody behind who holds its output
	case err == nil:
		return nil
	}
	return fmt.Errorf("%s: %w%s", words[0], err, said.quoted())
}

// output keeps the beginning of what a program prints. The buffer is not embedded: its ReadFrom takes everything.
type output struct{ kept bytes.Buffer }

func (o *output) Write(text []byte) (int, error) {
	if room := keptOutput - o.kept.Len(); room > 0 {
		o.kept.Write(text[:min(len(text), room)])
	}
	return len(text), nil
}

// quoted is what was printed, in one line.
func (o *output) quoted() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(o.kept.String(), "?")), " ")
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}
