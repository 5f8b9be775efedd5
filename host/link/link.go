// Package link reads the state of the machine's wired Ethernet ports: has the
// cable carrier, and how fast is the link. A bad cable shows as a port that falls
// from 1000 to 100 Mbit/s.
//
// A port is an interface of /sys/class/net that is Ethernet and has hardware of
// its own. Wireless, modems, bridges, tunnels, containers' ends and loopback are
// left out.
package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// Ports is the machine's wired ports. Use it from one goroutine at a time.
type Ports struct {
	dir   string
	open  func(path string) (input, error)
	ports []*port
}

// input is an open kernel file that holds one whole number.
type input interface {
	Int() (int64, error)
	Moved() bool
	Close() error
}

type port struct {
	name           string
	carrier, speed input // nil while the port is gone
	gone           error
	untold         error // what Read says where the driver does not tell the speed
}

// Open lists the wired ports under root; "" and "/" are the live system. A
// machine without any gives an empty Ports and no error.
func Open(root string) (*Ports, error) {
	return open(root, func(path string) (input, error) {
		file, err := attribute.Open(path)
		if err != nil {
			return nil, err
		}
		return file, nil
	})
}

func open(root string, openInput func(path string) (input, error)) (*Ports, error) {
	p := &Ports{dir: attribute.Path(root, "sys/class/net"), open: openInput}
	if _, err := p.Rescan(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Names returns the interface names, in the order of the indices of Read.
func (p *Ports) Names() []string {
	names := make([]string, len(p.ports))
	for i, port := range p.ports {
		names[i] = port.name
	}
	return names
}

// Read returns the speed of port i, an index into Names, in megabits per second;
// 0 means no carrier, or that the interface is set down. The error wraps
// errors.ErrUnsupported where the port is gone (a USB adapter that was pulled),
// and where it has carrier but its driver does not tell the speed, as in virtual
// machines. It does not allocate.
func (p *Ports) Read(i int) (megabitsPerSecond uint32, err error) {
	if i < 0 || i >= len(p.ports) {
		return 0, fmt.Errorf("link: no port %d, there are %d", i, len(p.ports))
	}
	port := p.ports[i]
	if port.gone != nil {
		return 0, port.gone
	}
	// An interface that is set down answers EINVAL (net/core/net-sysfs.c).
	carrier, err := port.carrier.Int()
	if errors.Is(err, unix.EINVAL) || err == nil && carrier == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, port.fail(err)
	}
	speed, err := port.speed.Int()
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return 0, port.untold
	case err != nil:
		return 0, port.fail(err)
	case speed <= 0, speed == 0xffff, speed >= 0xffffffff: // SPEED_UNKNOWN, as kernels old and new print it
		return 0, port.untold
	}
	return uint32(speed), nil
}

func (port *port) fail(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("port %s is gone: %w: %w", port.name, err, errors.ErrUnsupported)
	}
	return fmt.Errorf("port %s: %w", port.name, err)
}

// Rescan looks for ports that came, went or returned, and reports whether any
// did. A port keeps its index until Close; one that is gone fails with
// errors.ErrUnsupported. After an error nothing has changed.
func (p *Ports) Rescan() (changed bool, err error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("list network ports: %w", err)
	}
	wired := map[string]bool{}
	for _, entry := range entries {
		if isWired(filepath.Join(p.dir, entry.Name())) {
			wired[entry.Name()] = true
		}
	}
	for _, known := range p.ports {
		if !wired[known.name] {
			changed = known.gone == nil || changed
			known.drop(fmt.Errorf("port %s is gone: %w", known.name, errors.ErrUnsupported))
		} else if known.gone != nil || known.carrier.Moved() {
			changed = true
			known.drop(nil)
			p.attach(known)
		}
		delete(wired, known.name)
	}
	for _, entry := range entries {
		if name := entry.Name(); wired[name] {
			fresh := &port{name: name, untold: fmt.Errorf("port %s: its driver does not tell the speed: %w", name, errors.ErrUnsupported)}
			p.attach(fresh)
			p.ports = append(p.ports, fresh)
			changed = true
		}
	}
	return changed, nil
}

func (p *Ports) attach(port *port) {
	dir := filepath.Join(p.dir, port.name)
	carrier, err := p.open(filepath.Join(dir, "carrier"))
	if err == nil {
		port.carrier = carrier
		if port.speed, err = p.open(filepath.Join(dir, "speed")); err == nil {
			return
		}
		port.speed = nil
	}
	port.drop(fmt.Errorf("port %s: %w: %w", port.name, err, errors.ErrUnsupported))
}

func (port *port) drop(why error) {
	for _, file := range []input{port.carrier, port.speed} {
		if file != nil {
			_ = file.Close()
		}
	}
	port.carrier, port.speed, port.gone = nil, nil, why
}

// isWired judges one directory of /sys/class/net.
func isWired(dir string) bool {
	const ethernet = "1" // ARPHRD_ETHER
	if kind, err := attribute.Text(filepath.Join(dir, "type")); err != nil || kind != ethernet {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, "device")); err != nil {
		return false // virtual
	}
	for _, mark := range []string{"wireless", "phy80211"} {
		if _, err := os.Stat(filepath.Join(dir, mark)); err == nil {
			return false
		}
	}
	// What is not plain Ethernet says so: wlan, wwan, bluetooth, bridge, gadget.
	uevent, _ := attribute.Text(filepath.Join(dir, "uevent"))
	for line := range strings.Lines(uevent) {
		if kind, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVTYPE="); ok && kind != "dsa" {
			return false
		}
	}
	return true
}

// Close closes all files. Every Read after it fails.
func (p *Ports) Close() error {
	for _, port := range p.ports {
		port.drop(fmt.Errorf("port %s: %w", port.name, fs.ErrClosed))
	}
	return nil
}
