package machines

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Config describes a machine.
type Config struct {
	// Name is the host name, and that of the folder with its console: letters, digits and hyphens. Empty means machine.
	Name string

	// Files maps absolute paths in the machine to files of the host, which are there before the first program runs. They
	// belong to root and can be executed if they can be on the host. Relative paths of the host begin at the module's root.
	Files map[string]string

	// Units are unit files of the host that go to /etc/systemd/system. None of them is started. A board has no systemd.
	Units []string

	// Ports are TCP ports of the machine that the host can connect to, see [Machine.Address].
	Ports []int

	// Disk is a raw image that the machine runs from and leaves as it is when it ends, as a board does its card: see
	// [Image.Disk]. Empty is a clean one that is forgotten.
	Disk string

	// GPIO is the socket of the machine's GPIO chip, as package backplane serves one, and Ethernet that of a port of its
	// switch, where a second interface, eth1, is then connected. Both need an image of [BuildWired].
	GPIO, Ethernet string

	// CPUs is the number of processors, 0 means 2. A board has as many as it has.
	CPUs int

	// MemoryMB is the memory in MiB, 0 means 768. A board has as much as it has.
	MemoryMB int

	// BootWithin is the longest that Start waits, 0 means three minutes, nine times what it takes.
	BootWithin time.Duration
}

func (c Config) withDefaults() (Config, error) {
	c.Name = cmp.Or(c.Name, "machine")
	c.CPUs = cmp.Or(c.CPUs, 2)
	c.MemoryMB = cmp.Or(c.MemoryMB, 768)
	c.BootWithin = cmp.Or(c.BootWithin, 3*time.Minute)
	if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9-]*$`).MatchString(c.Name) {
		return c, fmt.Errorf("name: %q is not made of letters, digits and hyphens", c.Name)
	}
	for path := range c.Files {
		if !strings.HasPrefix(path, "/") {
			return c, fmt.Errorf("files: %q is not an absolute path", path)
		}
	}
	return c, nil
}

// End is how a machine ended.
type End int

// The ways in which machines end.
const (
	Killed     End = iota // by Kill, or QEMU ended by itself
	PoweredOff            // the machine switched itself off
	Reset                 // the machine reset itself, as it does to boot again
)

// Machine is a machine that was started.
type Machine struct {
	name    string
	image   *Image
	dir     string         // with the socket
	console string         // path
	ports   map[int]string // of the machine, to addresses of the host
	channel *channel
	process *os.Process
	ended   chan struct{} // closed when QEMU ended
	end     End           // how, after that
	config  Config
}

// Start boots a machine and returns when it is up. The context ends the waiting, not the machine. A machine that does not
// come up is killed, and the error has the last lines of its console.
func (i *Image) Start(ctx context.Context, config Config) (*Machine, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", config.Name, err)
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, config.BootWithin, fmt.Errorf("not up within %v", config.BootWithin))
	defer cancel()
	for attempt := 1; ; attempt++ {
		m, err := i.launch(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("machine %s: %w", config.Name, err)
		}
		if err = m.boot(ctx); err == nil {
			i.log("machine %s is up after %.1f s, its console is %s", config.Name, time.Since(begun).Seconds(), m.console)
			return m, nil
		}
		m.Kill()
		words := m.lastWords()
		// Another program may take a port between our look at it and QEMU's.
		if attempt < 3 && strings.Contains(words, "Could not set up host forwarding") {
			continue
		}
		return nil, fmt.Errorf("machine %s: %w; its console (%s) ends: %s", config.Name, err, m.console, words)
	}
}

// PowerOn starts a machine and does not wait for it; [Machine.Up] does.
func (i *Image) PowerOn(ctx context.Context, config Config) (*Machine, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", config.Name, err)
	}
	m, err := i.launch(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", config.Name, err)
	}
	return m, nil
}

// Up waits until a machine of PowerOn is up, as Start does, and must return before anything is asked of the machine. Who
// gets an error still has the machine: nothing kills it. It is called once.
func (m *Machine) Up(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.config.BootWithin, fmt.Errorf("not up within %v", m.config.BootWithin))
	defer cancel()
	if err := m.boot(ctx); err != nil {
		return fmt.Errorf("machine %s: %w; its console (%s) ends: %s", m.name, err, m.console, m.lastWords())
	}
	return nil
}

// launch writes the machine's own files down and starts QEMU.
func (i *Image) launch(ctx context.Context, config Config) (*Machine, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	logs := filepath.Join(i.logs, config.Name)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "machine-") // short: a socket's path has 107 bytes at most
	if err != nil {
		return nil, err
	}
	m := &Machine{
		name:    config.Name,
		image:   i,
		dir:     dir,
		console: filepath.Join(logs, "console.log"),
		ports:   map[int]string{},
		ended:   make(chan struct{}),
		config:  config,
	}
	initial, err := i.withFiles(root, config)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "initial"), initial, 0o600)
	}
	var arguments []string
	if err == nil {
		arguments, err = m.arguments(config)
	}
	if err == nil {
		err = m.qemu(arguments, filepath.Join(logs, "qemu.log"))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

// withFiles appends the machine's own files to the initial file system.
func (i *Image) withFiles(root string, config Config) ([]byte, error) {
	files := maps.Clone(config.Files)
	if files == nil {
		files = map[string]string{}
	}
	for _, unit := range config.Units {
		files["/etc/systemd/system/"+filepath.Base(unit)] = unit
	}
	var own archive
	for _, to := range slices.Sorted(maps.Keys(files)) {
		from := files[to]
		if !filepath.IsAbs(from) {
			from = filepath.Join(root, from)
		}
		// Debian's /bin, /sbin and /lib are links, which no folder can be copied over.
		if first, _, _ := strings.Cut(to[1:], "/"); !i.board && slices.Contains([]string{"bin", "sbin", "lib"}, first) {
			to = "/usr" + to
		}
		inside := "overlay" + to
		if i.board {
			inside = to
		}
		if err := own.file(inside, from); err != nil {
			return nil, fmt.Errorf("file %s: %w", to, err)
		}
	}
	return slices.Concat(i.initial, own.end()), nil
}

// qemu starts QEMU on a thread that waits for it, so that the kernel ends it with this process.
func (m *Machine) qemu(arguments []string, log string) error {
	output, err := os.Create(log)
	if err != nil {
		return err
	}
	defer output.Close()
	if err := os.WriteFile(m.console, nil, 0o644); err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c := exec.Command(arguments[0], arguments[1:]...)
		c.Stderr = output
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		events, err := c.StdoutPipe()
		// QEMU says nothing before it is asked to, and goes on if the asker has gone.
		c.Stdin = strings.NewReader(`{"execute":"qmp_capabilities"}`)
		if err == nil {
			err = c.Start()
		}
		m.process = c.Process
		started <- err
		if err == nil {
			m.end = howItEnds(events)
			_ = c.Wait()
			_ = os.RemoveAll(m.dir)
		}
		close(m.ended)
	}()
	return <-started
}

// howItEnds reads what QEMU tells of a machine (docs/interop/qmp-spec.rst, qapi/run-state.json) until QEMU ends.
func howItEnds(events io.Reader) End {
	end := Killed
	for decoder := json.NewDecoder(events); ; {
		var told struct {
			Event string
			Data  struct{ Reason string }
		}
		if err := decoder.Decode(&told); err != nil {
			_, _ = io.Copy(io.Discard, events) // it must not wait for a reader
			return end
		}
		if told.Event == "SHUTDOWN" {
			switch told.Data.Reason {
			case "guest-shutdown":
				end = PoweredOff
			case "guest-reset":
				end = Reset
			}
		}
	}
}

// arguments returns QEMU's command line.
func (m *Machine) arguments(config Config) ([]string, error) {
	i := m.image
	arguments := append(slices.Clone(i.qemu),
		"-name", config.Name, "-display", "none", "-monitor", "none", "-qmp", "stdio", "-no-reboot",
		"-kernel", i.kernel, "-initrd", filepath.Join(m.dir, "initial"), "-append", i.append+" machine="+config.Name,
		"-serial", "file:"+m.console)
	ports := slices.Clone(config.Ports)
	if i.board {
		ports = append(ports, guestPort)
		arguments = append(arguments, "-dtb", i.dtb, "-device", "usb-net,netdev=net")
	} else {
		arguments = append(arguments, i.wired(config)...)
		disk := "file=" + i.disk + ",format=raw,if=virtio,snapshot=on"
		if config.Disk != "" {
			disk = "file=" + config.Disk + ",format=raw,if=virtio"
		}
		arguments = append(arguments,
			"-smp", fmt.Sprint(config.CPUs), "-m", fmt.Sprint(config.MemoryMB),
			"-drive", disk,
			"-device", "virtio-net-pci,netdev=net",
			"-device", "virtio-serial-pci", "-chardev", "socket,id=host,server=on,wait=off,path="+m.socket(),
			"-device", "virtserialport,chardev=host,name=machine")
	}
	var network strings.Builder
	network.WriteString("user,id=net,restrict=on")
	for _, port := range ports {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		m.ports[port] = address
		fmt.Fprintf(&network, ",hostfwd=tcp:%s-:%d", address, port)
	}
	return append(arguments, "-netdev", network.String()), nil
}

func (m *Machine) socket() string { return filepath.Join(m.dir, "host") }

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// lastWords returns the end of the console and of what QEMU said.
func (m *Machine) lastWords() string {
	console, _ := os.ReadFile(m.console)
	qemu, _ := os.ReadFile(filepath.Join(filepath.Dir(m.console), "qemu.log"))
	return lastLines(string(bytes.Join([][]byte{console, qemu}, []byte("\n"))), 8)
}
