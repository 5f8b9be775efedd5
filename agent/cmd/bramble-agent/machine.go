package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/board"
	"github.com/bramblemesh/bramble/identity"
)

// configPath is where the configuration is looked for.
func (o options) configPath() string {
	if o.explicit {
		return o.config
	}
	return filepath.Join(o.root, o.config)
}

// outputs says what becomes of a GPIO output when its process ends: it decides what a master's rails do.
func (e *examination) outputs(machine board.Board) {
	f := finding{Item: "outputs", State: stateInfo}
	switch machine.ReleasedOutputs {
	case board.OutputsKept:
		f.Found = "released GPIO outputs keep their level"
	case board.OutputsDropped:
		f.Found = "released GPIO outputs drop to their pull (persist_gpio_outputs is off)"
	default:
		f.State, f.Found = stateUnsupported, "the kernel does not say what becomes of released GPIO outputs"
	}
	e.add(f)
}

// watchdog looks at the hardware watchdog, which restarts a board whose kernel hangs if systemd feeds it.
func (e *examination) watchdog() {
	dir := filepath.Join(e.root, "sys/class/watchdog/watchdog0")
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(text))
	}
	if _, err := os.Lstat(dir); err != nil {
		e.add(finding{Item: "watchdog", State: stateUnsupported, Found: "no hardware watchdog"})
		return
	}
	name, state := orElse(read("identity"), "watchdog0, of which the kernel tells no more"), read("state")
	switch {
	case state == "active":
		e.add(finding{Item: "watchdog", State: stateOK, Found: fmt.Sprintf("%s, active, %s s", name, orElse(read("timeout"), "?")), Source: dir})
	default:
		e.add(finding{Item: "watchdog", State: stateInfo, Found: fmt.Sprintf("%s, %s", name, orElse(state, "state unknown")), Source: dir,
			Advice: "RuntimeWatchdogSec=15s in /etc/systemd/system.conf restarts a board that hangs"})
	}
}

// makes says whether run makes a folder, for a socket in it.
func (s settings) makes(dir string) bool {
	return slices.ContainsFunc(s.listen, func(address string) bool {
		path, isUnix := strings.CutPrefix(address, "unix://")
		return isUnix && filepath.Dir(path) == dir
	})
}

// listeners looks at where run would listen. The default socket of a copied tree is nowhere.
func (e *examination) listeners(s settings) {
	if filepath.Clean(e.root) != "/" && s.source == "" {
		return
	}
	for _, address := range s.listen {
		f := finding{Item: "listener", State: stateOK, Found: address + " is free"}
		if path, isUnix := strings.CutPrefix(address, "unix://"); isUnix {
			f.socket(path, s.file())
		} else {
			f.port(address, s.file())
		}
		e.add(f)
	}
	if s.tls == (identity.Files{}) {
		return
	}
	source, err := identity.Load(s.tls, nil)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			e.add(finding{Item: "tls", State: stateWrong, Found: strings.TrimSpace(line)})
		}
		return
	}
	e.add(certificateFound(source.Certificate(), time.Now(), s.tls.Certificate))
}

// socket says why run could not listen on a unix socket, or that an agent does.
func (f *finding) socket(path, settings string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		f.State, f.Found = stateWrong, "unix://"+path+": there is something that is not a socket"
		f.Advice = "remove it, or set listen in " + settings
	} else if why := socketTrouble(path); why != "" {
		f.State, f.Found, f.Advice = stateInfo, "unix://"+path+": "+why, "run as a user who may, or set listen in "+settings
	} else if answers(path) {
		f.Found = "unix://" + path + " is served by a running agent"
	}
}

// port says why run could not listen on a port, which takes a moment's listening to know.
func (f *finding) port(address, settings string) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		l.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		f.State, f.Found = stateInfo, address+" is in use, by a running agent or another program"
		f.Advice = "ss -ltnp tells which"
	case errors.Is(err, fs.ErrPermission):
		f.State, f.Found, f.Advice = stateInfo, address+": this user may not listen there", "run as a user who may, or set listen in "+settings
	default:
		f.State, f.Found, f.Advice = stateWrong, err.Error(), "set listen in "+settings
	}
}

// certificateFound says until when a certificate is good.
func certificateFound(c *x509.Certificate, now time.Time, path string) finding {
	f := finding{Item: "tls", State: stateOK, Found: "certificate valid until " + c.NotAfter.UTC().Format(time.DateOnly), Source: path}
	if left := c.NotAfter.Sub(now); left < c.NotAfter.Sub(c.NotBefore)/10 {
		f.State, f.Advice = stateInfo, fmt.Sprintf("it ends in %.0f days: renew it", left.Hours()/24)
	}
	return f
}

func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// socketTrouble says why this user could not listen at a path, or ask who does.
func socketTrouble(path string) string {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		dir = filepath.Dir(dir) // run makes one folder
	}
	if _, err := os.Stat(path); err == nil {
		if err := unix.Access(path, unix.W_OK); err != nil {
			return "this user may not use it: " + err.Error()
		}
		return ""
	}
	return accessTrouble(dir)
}

func accessTrouble(dir string) string {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); errors.Is(err, syscall.ENOENT) {
		return dir + " does not exist"
	} else if err != nil {
		return "this user may not write " + dir
	}
	return ""
}

// state looks at where the counts of the flags are kept.
func (e *examination) state(s settings) {
	if filepath.Clean(e.root) != "/" && s.source == "" {
		return
	}
	f := finding{Item: "counts", State: stateOK, Found: "kept in " + s.state}
	dir := filepath.Dir(s.state)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && s.makes(dir) {
		dir = filepath.Dir(dir)
	}
	switch {
	case s.state == "":
		f.Found = "kept in memory only"
	case accessTrouble(dir) != "":
		f.State, f.Found, f.Advice = stateInfo, "will not be kept: "+accessTrouble(dir), "run as a user who may write it, or set state in "+s.file()
	}
	e.add(f)
}
