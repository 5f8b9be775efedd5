package gpio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// watchedQueue is the number of edges that the kernel keeps of a watched line while nobody reads
// them. When it is full, the oldest is lost (linereq_put_event in drivers/gpio/gpiolib-cdev.c).
const watchedQueue = 64

// flags are those of a request. Bias is best effort in the kernel: a chip without pulls ignores it.
func (m mode) flags() uapi.LineFlagV2 {
	var flags uapi.LineFlagV2
	switch m.direction {
	case driven:
		flags = uapi.LineFlagV2Output
	case watched:
		flags = uapi.LineFlagV2Input | uapi.LineFlagV2EdgeBoth | uapi.LineFlagV2BiasPullDown
	}
	if m.activeLow {
		flags |= uapi.LineFlagV2ActiveLow
	}
	return flags
}

func (characterDevices) request(chip string, offset int, consumer string, m mode) (fd int, err error) {
	// Opened for reading, which is all that driving a line takes.
	device, err := unix.Open("/dev/"+chip, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: "/dev/" + chip, Err: err}
	}
	defer unix.Close(device)
	request := uapi.LineRequest{Lines: 1, EventBufferSize: watchedQueue, Config: uapi.LineConfig{Flags: m.flags()}}
	request.Offsets[0] = uint32(offset)
	copy(request.Consumer[:maxConsumer], consumer)
	err = uapi.GetLine(uintptr(device), &request)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return -1, fmt.Errorf("%w: a kernel before Linux 5.10 knows no such request", err)
	}
	if err != nil {
		return -1, err
	}
	return int(request.Fd), nil
}

func (characterDevices) configure(fd int, m mode, on bool) error {
	config := uapi.LineConfig{Flags: m.flags()}
	if m.direction == driven {
		value := uapi.OutputValues(uapi.NewLineBitmap(bit(on)))
		config.AddAttribute(uapi.LineConfigAttribute{Attr: value.Encode(), Mask: uapi.NewLineBitMask(1)})
	}
	return uapi.SetLineConfigV2(uintptr(fd), &config)
}

func (characterDevices) level(fd int) (on bool, err error) {
	values := uapi.LineValues{Mask: uapi.NewLineBitMask(1)}
	err = uapi.GetLineValuesV2(uintptr(fd), &values)
	return values.Get(0) == 1, err
}

func (characterDevices) setLevel(fd int, on bool) error {
	return uapi.SetLineValuesV2(uintptr(fd), uapi.LineValues{Mask: uapi.NewLineBitMask(1), Bits: uapi.NewLineBitmap(bit(on))})
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}

func (characterDevices) ready(ctx context.Context, fd int) (bool, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return false, fmt.Errorf("eventfd: %w", err)
	}
	defer unix.Close(wake)
	var failed error
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_, failed = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not 0 in either byte order
	})
	line, ended := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}, unix.PollFd{Fd: int32(wake), Events: unix.POLLIN}
	both := []unix.PollFd{line, ended}
	err = poll(both, -1)
	if !stop() {
		<-woken // the descriptor must not be another one by then
		return false, failed
	}
	return err == nil, errors.Join(err, gone(both[0]))
}

func (characterDevices) pending(fd int) (bool, error) {
	one := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if err := errors.Join(poll(one, 0), gone(one[0])); err != nil {
		return false, err
	}
	return one[0].Revents&unix.POLLIN != 0, nil
}

// poll is poll(2) that signals do not interrupt.
func poll(fds []unix.PollFd, milliseconds int) error {
	for {
		_, err := unix.Poll(fds, milliseconds)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// gone is the error of a line whose chip was removed; nothing else makes the kernel report these.
func gone(polled unix.PollFd) error {
	if polled.Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) == 0 {
		return nil
	}
	return errors.New("the line's chip has gone")
}

func (characterDevices) next(fd int) (change, error) {
	event, err := uapi.ReadLineEvent(uintptr(fd))
	if err != nil {
		return change{}, fmt.Errorf("read edge: %w", err)
	}
	return change{
		sequence: event.LineSeqno,
		high:     event.ID == uapi.LineEventRisingEdge,
		at:       time.Duration(event.Timestamp),
	}, nil
}

func (characterDevices) identify(fd int) (chip string, offset int, err error) {
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	kind, err := os.Readlink(path)
	if err != nil {
		return "", 0, err
	}
	if kind != "anon_inode:gpio-line" {
		return "", 0, fmt.Errorf("descriptor %d is %s and no gpio line", fd, kind)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", 0, err
	}
	return parseLine(string(text))
}

// parseLine reads what linereq_show_fdinfo of drivers/gpio/gpiolib-cdev.c prints from Linux 6.1 on.
func parseLine(fdinfo string) (chip string, offset int, err error) {
	lines := 0
	for line := range strings.Lines(fdinfo) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "gpio-chip":
			chip = value
		case "gpio-line":
			if offset, err = strconv.Atoi(value); err != nil {
				return "", 0, fmt.Errorf("fdinfo: %w", err)
			}
			lines++
		}
	}
	if chip == "" {
		return "", 0, fmt.Errorf("%w: this kernel does not say which line a descriptor is; Linux 6.1 does", errors.ErrUnsupported)
	}
	if lines != 1 {
		return "", 0, fmt.Errorf("a descriptor of %d lines", lines)
	}
	return chip, offset, nil
}

func (characterDevices) close(fd int) error { return unix.Close(fd) }
