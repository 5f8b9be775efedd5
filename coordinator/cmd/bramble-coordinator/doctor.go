package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/host/pwm"
	"github.com/bramblemesh/bramble/host/systemd"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/document"
	"github.com/bramblemesh/bramble/internal/keeper"
)

// What a finding can be.
const (
	stateOK    = "ok"
	stateInfo  = "info"  // worth knowing, nothing to repair
	stateLook  = "LOOK"  // it works, and may not be what its owner wants
	stateWrong = "WRONG" // it keeps the coordinator from its work
)

const (
	// serviceUser is whom the unit runs the coordinator as. What that user may do counts.
	serviceUser = "bramble-coordinator"
	asService   = "what counts is: sudo -u " + serviceUser + " bramble-coordinator doctor"
	// storeRoom is what the file of operations and proofs takes when it is made, twice.
	storeRoom = 1 << 20
)

// errWrong is how doctor ends once its report has said what is wrong.
var errWrong = errors.New("see WRONG above")

// finding is one thing that was looked at.
type finding struct{ item, state, found, advice string }

// lineInfo is what the kernel tells of GPIO lines without a line being requested.
type lineInfo interface {
	Inspect(line gpio.Line) (gpio.Info, error)
	Persistence(chip string) (state, source string)
}

// kernelLines are the lines of this machine.
type kernelLines struct{ root string }

func (kernelLines) Inspect(line gpio.Line) (gpio.Info, error) { return gpio.Inspect(line) }

func (k kernelLines) Persistence(chip string) (state, source string) {
	return gpio.Persistence(k.root, chip)
}

// examination is what has been found so far.
type examination struct {
	lines    lineInfo
	running  bool              // another process looks after the case
	answers  bool              // bramble-rails does
	kept     map[string]string // what it holds, by name, in words
	findings []finding
}

func (e *examination) add(item, state, found, advice string) {
	e.findings = append(e.findings, finding{item, state, strings.ReplaceAll(found, "\n", "; "), advice})
}

// doctor looks at everything that run would use, changes nothing of it, and reports.
func (c *cli) doctor(ctx context.Context) error {
	root, err := filepath.Abs(c.at("")) // which is how host/gpio wants it
	if err != nil {
		return err
	}
	e := &examination{lines: kernelLines{root}}
	cfg := e.configuration(c.config)
	e.runs(c.below("coordinator.lock"))
	if cfg != nil {
		h := cfg.Hardware
		if len(h.Rails)+len(h.DoneLines) > 0 {
			e.keepers(keeper.Client{Path: c.below("rails.sock")}, h)
		}
		e.memory(c.at(cfg.State))
		if len(h.Rails) > 0 {
			down, err := asked(ctx)
			e.bus(down, err)
		}
		e.outputs(h.Rails)
		for _, r := range h.Rails {
			e.rail(r)
		}
		for _, d := range h.DoneLines {
			e.doneLine(d)
		}
		for _, f := range h.Fans {
			e.fan(f, c.machine)
		}
	}
	if err := c.say("%s", e.report()); err != nil {
		return err
	}
	if e.count(stateWrong) > 0 {
		return errWrong
	}
	return nil
}

func (e *examination) count(state string) (n int) {
	for _, f := range e.findings {
		if f.state == state {
			n++
		}
	}
	return n
}

// configuration reads the file, and returns nil if it has faults.
func (e *examination) configuration(path string) *config.Config {
	cfg, err := config.Load(path)
	if faults, ok := errors.AsType[*document.FaultsError](err); ok {
		for line := range strings.Lines(faults.Error()) {
			e.add("settings", stateWrong, strings.TrimSpace(line), "")
		}
		return nil
	}
	if err != nil {
		e.add("settings", stateWrong, err.Error(), "")
		return nil
	}
	e.add("settings", stateOK, fmt.Sprintf("%s: case %s, %d nodes, %d rails, %d fans; `bramble-coordinator check` says what it means",
		path, cfg.Core.Case, len(cfg.Core.Nodes), len(cfg.Hardware.Rails), len(cfg.Hardware.Fans)), "")
	if cfg.TLS != nil {
		source, err := identity.Load(*cfg.TLS, nil)
		if err != nil {
			e.add("tls", stateWrong, err.Error(), asService)
		} else {
			e.add("tls", stateOK, "certificate valid until "+source.Certificate().NotAfter.UTC().Format(time.DateOnly), "")
		}
	}
	return cfg
}

// runs says who looks after the case now.
func (e *examination) runs(lock string) {
	who, held := holder(lock)
	e.running = held
	switch {
	case held:
		e.add("coordinator", stateOK, "runs"+who+"; a second one would be refused", "")
	case errors.Is(unix.Access(lock, unix.R_OK|unix.W_OK), fs.ErrPermission):
		e.add("coordinator", stateInfo, "this user may not ask whether one runs", asService)
	default:
		e.add("coordinator", stateInfo, "none runs on this machine", "")
	}
}

// asked is what systemd says, within stateWait.
func asked(ctx context.Context) (down bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	return systemd.GoingDown(ctx)
}

// bus judges what systemd answered: without an answer the workers are not stopped before this machine goes down.
func (e *examination) bus(down bool, err error) {
	switch {
	case err != nil:
		e.add("stop order", stateWrong, "systemd cannot be asked whether this machine goes down, so its power-off would not stop the workers first: "+err.Error(),
			"install dbus, and see systemctl status dbus")
	case down:
		e.add("stop order", stateInfo, "this machine is going down now", "")
	default:
		e.add("stop order", stateOK, "powering off or rebooting this machine stops the workers first, if the coordinator runs as the service", "")
	}
}

// keepers asks bramble-rails what it holds.
func (e *examination) keepers(client keeper.Client, h config.Hardware) {
	descriptors, err := client.Get()
	e.kept = map[string]string{}
	for _, d := range descriptors {
		text, _, err := gpio.Describe(d.FD)
		_ = unix.Close(d.FD) // a copy
		if err != nil {
			e.add("kept lines", stateLook, fmt.Sprintf("bramble-rails holds %s, which is no line any more: %v", d.Name, err), "")
			continue
		}
		e.kept[d.Name] = text
	}
	e.answers = err == nil
	switch {
	case err == nil:
		e.add("kept lines", stateOK, fmt.Sprintf("bramble-rails answers and holds %d", len(descriptors)), "")
	case errors.Is(err, fs.ErrPermission), strings.Contains(err.Error(), "may not ask"):
		e.add("kept lines", stateInfo, err.Error(), asService+"; it is taken here not to hold anything")
	case e.falls(h.Rails):
		e.add("kept lines", stateWrong, err.Error()+": stopping the coordinator may cut workers, see below", "systemctl enable --now bramble-rails")
	default:
		e.add("kept lines", stateLook, err.Error(), "systemctl enable --now bramble-rails")
	}
}

// memory looks at where operations and proofs are kept, without opening the file: a coordinator may have it.
func (e *examination) memory(path string) {
	dir := filepath.Dir(path)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
		for missing(dir) {
			dir = filepath.Dir(dir) // run makes them
		}
	}
	if err == nil && info != nil && !info.Mode().IsRegular() {
		e.add("memory", stateWrong, path+" is no file", "give state another path")
		return
	}
	denied := cmp.Or(err, unix.Access(dir, unix.W_OK|unix.X_OK))
	if denied == nil && info != nil {
		denied = unix.Access(path, unix.R_OK|unix.W_OK)
	}
	var disk unix.Statfs_t
	full := unix.Statfs(dir, &disk) == nil && disk.Bavail*uint64(disk.Bsize) < storeRoom
	switch {
	case denied != nil:
		e.add("memory", stateLook, fmt.Sprintf("this user may not write %s: %v; the coordinator switches nothing where it cannot write it", path, denied), asService)
	case full:
		e.add("memory", stateWrong, "the disk of "+path+" is full, so nothing would be switched", "make room")
	case info == nil:
		e.add("memory", stateOK, path+" is made at the first start", "")
	default:
		e.owned(path, info)
	}
}

func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir)
}

// owned says whose the file is: one that root made, by a run by hand, keeps the service from writing it.
func (e *examination) owned(path string, info os.FileInfo) {
	found := fmt.Sprintf("%s, %d KiB", path, info.Size()/1024)
	stat, ok := info.Sys().(*syscall.Stat_t)
	service, err := user.Lookup(serviceUser)
	if ok && err == nil && service.Uid != fmt.Sprint(stat.Uid) {
		e.add("memory", stateLook, fmt.Sprintf("%s, belongs to user %d and not to %s, which the service runs as", found, stat.Uid, serviceUser),
			fmt.Sprintf("chown %s: %s", serviceUser, path))
		return
	}
	e.add("memory", stateOK, found, "")
}

// fan finds a fan's output and its speed wire.
func (e *examination) fan(f config.Fan, root string) {
	var text string
	var err error
	if f.PWM != nil {
		text, err = pwm.Inspect(channelOf(f, root, 0))
	} else {
		read := hwmonOf(f, root)
		read.TakeOver = false // else it would be taken over
		var opened *pwm.Hwmon
		if opened, err = pwm.OpenHwmon(read); err == nil {
			text, err = output(f)+" is there", opened.Close()
		}
	}
	if err != nil {
		e.add("fan", stateWrong, f.Name+": "+err.Error(), "")
	} else {
		e.add("fan", stateOK, f.Name+": "+text, "")
	}
	if f.Tach != nil {
		e.line("tach", f.Name, f.Tach.Line, false, "")
	}
}

// The columns of the report, which is 100 wide at most.
const (
	reportWidth = 100
	stateWidth  = 6
	itemWidth   = 12
)

// report is every finding, a line each or more, and a sum.
func (e *examination) report() string {
	var b strings.Builder
	for _, f := range e.findings {
		row(&b, f.state, f.item, f.found)
		if f.advice != "" {
			row(&b, "", "", "-> "+f.advice)
		}
	}
	wrong, look := e.count(stateWrong), e.count(stateLook)
	fmt.Fprintf(&b, "\n%s wrong", times(wrong, "Nothing is", "One thing is", "things are"))
	if look > 0 {
		fmt.Fprintf(&b, "; %s", times(look, "", "one deserves a look", "deserve a look"))
	}
	b.WriteString(".")
	return b.String()
}

func times(n int, none, one, many string) string {
	switch n {
	case 0:
		return none
	case 1:
		return one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// row writes text beside a state and an item, and goes on below where it is too long. A long word stays whole, so that
// paths can be copied.
func row(b *strings.Builder, state, item, text string) {
	line := fmt.Sprintf("%-*s%-*s", stateWidth, state, itemWidth, item)
	start := len(line)
	for word := range strings.FieldsSeq(text) {
		if len(line) > start && len(line)+1+len(word) > reportWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", start)
		}
		if len(line) > start {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}
