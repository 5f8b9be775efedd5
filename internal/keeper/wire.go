package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"
)

// maxName leaves a name short enough for systemd, and Most of them for one line.
const maxName = 100

// checkName keeps names apart on a line; systemd forbids the colon.
func checkName(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("descriptor name %q: must be 1 to %d visible ASCII characters without a colon", name, maxName)
	}
	return nil
}

// send writes a line and the descriptors that go with it.
func send(conn *net.UnixConn, line string, fds ...int) error {
	text := []byte(line + "\n")
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := conn.WriteMsgUnix(text, rights, nil)
	if err == nil && n < len(text) { // the descriptors went with the first byte
		_, err = conn.Write(text[n:])
	}
	return err
}

// receive reads a line and the descriptors that came with it, which are the caller's to close, with an error too.
func receive(conn *net.UnixConn) (line string, fds []int, err error) {
	var text []byte
	part, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*Most))
	for !bytes.HasSuffix(text, []byte("\n")) {
		if len(text) > Most*(maxName+1)+len(part) {
			return "", fds, errors.New("a line without end")
		}
		n, oobn, _, _, err := conn.ReadMsgUnix(part, rights) // package net has them closed on exec
		came, bad := descriptors(rights[:oobn])
		fds = append(fds, came...)
		if err = errors.Join(err, bad); err != nil {
			return "", fds, err
		}
		text = append(text, part[:n]...)
	}
	return string(text[:len(text)-1]), fds, nil
}

func descriptors(rights []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		some, err := unix.ParseUnixRights(&m)
		fds = append(fds, some...)
		if err != nil {
			return fds, err
		}
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// sameFile says whether two descriptors are copies of one, see kcmp(2). Not every kernel tells.
func sameFile(a, b int) (bool, error) {
	const kcmpFile = 0
	self := uintptr(unix.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, self, self, kcmpFile, uintptr(a), uintptr(b), 0)
	if errno != 0 {
		return false, errno
	}
	return order == 0, nil
}

// same says whether a and b are copies of one descriptor, or stand for the same line as far as anyone can tell: a line
// can be requested once, so that two of one name are one request.
func same(a, b int, nameA, nameB string) bool {
	is, err := sameFile(a, b)
	if err != nil {
		return nameA == nameB
	}
	return is
}
