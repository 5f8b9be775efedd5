// Command guest runs inside a machine and does what the host asks on a stream that
// belongs to the two alone: run a command, write a file, read a file.
//
//	guest -device /dev/virtio-ports/machine
//	guest -listen :9
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/bramblemesh/bramble/sim/machines/wire"
)

func main() {
	device := flag.String("device", "", "serve the host behind this character device")
	listen := flag.String("listen", "", "serve hosts that connect to this TCP address")
	flag.Parse()
	var err error
	switch {
	case *device != "":
		err = serveDevice(*device)
	case *listen != "":
		err = serveTCP(*listen)
	default:
		err = errors.New("give -device or -listen")
	}
	fmt.Fprintln(os.Stderr, "guest:", err)
	os.Exit(1)
}

// serveDevice serves a virtio port. It reads as ended while no host is there.
func serveDevice(path string) error {
	for {
		port, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_ = serve(port)
		_ = port.Close()
		time.Sleep(50 * time.Millisecond)
	}
}

func serveTCP(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = serve(conn)
		}()
	}
}

// serve answers until the stream ends.
func serve(stream io.ReadWriter) error {
	s := &session{answers: json.NewEncoder(stream), running: map[uint64]func(){}}
	requests := json.NewDecoder(stream)
	for {
		var request wire.Request
		if err := requests.Decode(&request); err != nil {
			return err
		}
		s.handle(request)
	}
}
