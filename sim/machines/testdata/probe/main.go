// Command probe runs inside a machine of the tests and asks the kernel there, through the packages of host as bramble's
// own programs do.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/firmware"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/host/pwm"
	"github.com/bramblemesh/bramble/host/thermal"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what string, args []string) error {
	switch what {
	case "hello":
		fmt.Println("hello")
		return nil
	case "temperatures":
		return temperatures()
	case "throttling":
		return throttling()
	case "tag":
		return tag(args)
	case "duty":
		return duty(args)
	case "tach":
		return tachometer(args)
	case "serve":
		return serve(args[0])
	}
	return errors.New("ask for something else")
}

// temperatures prints every sensor with its value or its error.
func temperatures() error {
	set, err := thermal.Open("")
	if err != nil {
		return err
	}
	for i, sensor := range set.Sensors() {
		celsius, err := set.Read(i)
		if err != nil {
			fmt.Printf("%s: %v\n", sensor.Name, err)
			continue
		}
		fmt.Printf("%s: %.3f\n", sensor.Name, celsius)
	}
	return nil
}

// throttling prints the source, the word and what is known of it, and what the firmware measures.
func throttling() error {
	t, err := firmware.Open("")
	if err != nil {
		return err
	}
	word, known, err := t.Word()
	if err != nil {
		return err
	}
	celsius, err := t.MeasureTemperature()
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Printf("%s %#x of %#x\n", t.Source(), word, known)
		return nil
	}
	hertz, err2 := t.MeasureClock()
	fmt.Printf("%s %#x of %#x, %.1f C, %d Hz\n", t.Source(), word, known, celsius, hertz)
	return errors.Join(err, err2)
}

// tag sends a message with one tag and one word of value: probe tag /dev/vcio 0x30046 0.
func tag(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(args[1], 0, 32)
	if err != nil {
		return err
	}
	value, err := strconv.ParseUint(args[2], 0, 32)
	if err != nil {
		return err
	}
	words := [7]uint32{28, 0, uint32(id), 4, 0, uint32(value), 0}
	const request = 0xc0086400 // _IOWR(100, 0, char *)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&words))); errno != 0 {
		return errno
	}
	fmt.Printf("%#x %#x %#x\n", words[1], words[4], words[5])
	return nil
}

// duty drives a channel: probe duty DEVICE CHANNEL FRACTION...
func duty(args []string) error {
	channel, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	c, err := pwm.Open(context.Background(), pwm.Config{Device: args[0], Channel: channel})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, text := range args[2:] {
		fraction, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		if err := c.SetDuty(fraction); err != nil {
			return err
		}
	}
	return nil
}

// tachometer counts for four seconds: probe tach CHIP LINE.
func tachometer(args []string) error {
	offset, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	t, err := gpio.NewTach(gpio.TachConfig{Line: gpio.Line{Chip: args[0], Offset: offset}, Name: "probe"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	time.Sleep(4 * time.Second)
	rpm, err := t.RPM()
	cancel()
	fmt.Printf("%.0f\n", rpm)
	return errors.Join(err, <-done)
}

// serve says hello to everybody who connects.
func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(conn, "hello")
		_ = conn.Close()
	}
}
