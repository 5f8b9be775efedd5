package keeper

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/internal/daemon"
)

// Client asks the Server behind a socket. Its methods may be called from any goroutine; each takes a few seconds at most.
type Client struct {
	// Path is that of the unix socket.
	Path string
}

// Put has the server keep a copy of a descriptor. What it has already, under whatever name, it does not take again. The
// name has 1 to 100 visible ASCII characters and no colon.
func (c Client) Put(name string, fd int) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, fds, err := c.ask("put "+name, fd)
	closeAll(fds)
	return err
}

// Get returns copies of all that the server keeps. They are the caller's, and closed on exec.
func (c Client) Get() ([]daemon.Descriptor, error) {
	names, fds, err := c.ask("get")
	if err == nil && len(names) != len(fds) {
		err = c.failed(fmt.Errorf("it sent %d names and %d descriptors; is this process allowed so many open files?", len(names), len(fds)))
	}
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	kept := make([]daemon.Descriptor, len(fds))
	for i, fd := range fds {
		kept[i] = daemon.Descriptor{Name: names[i], FD: fd}
	}
	return kept, nil
}

// Drop has the server let go of all descriptors of a name. If nobody else holds a copy, the line is let go of.
func (c Client) Drop(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, fds, err := c.ask("drop " + name)
	closeAll(fds)
	return err
}

// ask sends a request and returns the words of the answer after "ok", and its descriptors, with an error too.
func (c Client) ask(request string, pass ...int) (words []string, fds []int, err error) {
	dialed, err := net.DialTimeout("unix", c.Path, patience)
	if err != nil {
		return nil, nil, c.failed(err)
	}
	conn := dialed.(*net.UnixConn)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return nil, nil, c.failed(err)
	}
	if err := send(conn, request, pass...); err != nil {
		return nil, nil, c.failed(err)
	}
	line, fds, err := receive(conn)
	if err != nil {
		return nil, fds, c.failed(err)
	}
	if reason, no := strings.CutPrefix(line, "error "); no {
		return nil, fds, c.failed(errors.New(reason))
	}
	words = strings.Fields(line)
	if len(words) == 0 || words[0] != "ok" {
		return nil, fds, c.failed(fmt.Errorf("its answer %q makes no sense", line))
	}
	return words[1:], fds, nil
}

func (c Client) failed(err error) error {
	return fmt.Errorf("bramble-rails at %s: %w", c.Path, err)
}
