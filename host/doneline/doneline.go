// Package doneline is a board's own end of its shutdown-complete wire: it finds out who raises the line at the end of a
// power-off, and keeps it low until then.
//
// There are two mechanisms. With Raspberry Pi's gpio-poweroff overlay the kernel owns the line and raises it as the last
// thing it does, after every driver has shut down (drivers/power/reset/gpio-poweroff.c): that is read from the device
// tree and checked against the driver. Without it the program bramble-done raises the line: systemd-shutdown calls it on
// poweroff and halt once everything has been killed and unmounted, and before the last sync. Until then a [Line] holds
// the wire low.
//
// bramble-done runs when nobody is left to ask, so [Open] leaves word for it in [SettingsPath]: /run is still there then,
// and no second configuration can contradict the first. The line itself is free by then: whoever held it has been killed.
//
// A line is requested with its pull-down, which stays in the pin when the line is let go of (the pull is no part of what
// bcm2835_pmx_free in drivers/pinctrl/bcm/pinctrl-bcm2835.c puts back). So it does not rise in the seconds between the
// end of the process and bramble-done, not even on GPIO 0 to 8, which are pulled up after a reset.
package doneline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bramblemesh/bramble/host/gpio"
)

// Consumer is what the kernel is told about who holds the line.
const Consumer = "bramble/done"

// Where things are, below the root.
const (
	// HelperPath is where systemd-shutdown looks for bramble-done; see systemd-shutdown(8).
	HelperPath = "usr/lib/systemd/system-shutdown/bramble-done"
	// SettingsPath is where bramble-done finds the line that Open left word of.
	SettingsPath = "run/bramble/done"
)

// Mechanism says who raises the line.
type Mechanism int

// The mechanisms.
const (
	None    Mechanism = iota // nobody
	Overlay                  // the kernel, by gpio-poweroff
	Helper                   // bramble-done
)

// Signal is how the end of a power-off is signalled. It compares with ==.
type Signal struct {
	Mechanism Mechanism
	Line      gpio.Line // an empty chip is unknown, or the header's
	ActiveLow bool      // the line is low when the signal is given
	Source    string    // where it was found: a path

	// The overlay's delays: high, low, and then high for so long before the kernel gives up.
	ActiveDelay, InactiveDelay, Timeout time.Duration

	// Trouble says why the signal would not be given and what to do, in one line; empty when all is well.
	Trouble string
}

// Config says where to look.
type Config struct {
	// Root is where the machine's files begin. Empty and / are this machine; below any other no line is touched.
	Root string
	// Helper is the line that bramble-done is to raise; nil for none. An empty chip is the header's.
	Helper *gpio.Line
}

func (c Config) path(name string) string { return filepath.Join("/", c.Root, name) }

// Find says how the end of a power-off would be signalled, and changes nothing.
func Find(cfg Config) Signal { return finder{cfg, linesOf(cfg)}.find() }

// linesOf is the kernel of a root: a copy of another board's files has none.
func linesOf(cfg Config) lines {
	if filepath.Join("/", cfg.Root) != "/" {
		return nil
	}
	return characterDevices{}
}

// How long an examination holds: less while something is wrong, since somebody may be putting it right.
const (
	lookEvery       = time.Minute
	lookWhileFaulty = 10 * time.Second
)

// Line keeps the line low, where that is not the kernel's business. Its methods may be called from any goroutine.
type Line struct {
	finder finder

	mu     sync.Mutex
	looked time.Time
	signal Signal
	held   held // nil: not held
	closed bool

	pulsing sync.Mutex // held by the one pulse there is
}

// Open finds the mechanism, takes the line and leaves word for bramble-done. What fails is in the Signal's Trouble and is
// tried again with later calls of Signal.
func Open(cfg Config) *Line {
	l := &Line{finder: finder{cfg, linesOf(cfg)}}
	l.Signal()
	return l
}

// Signal says how the end of a power-off is signalled. It looks again once a minute, and every ten seconds while there is
// trouble.
func (l *Line) Signal() Signal {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := time.Since(l.looked); l.looked.IsZero() || age >= lookEvery || age >= lookWhileFaulty && l.signal.Trouble != "" {
		l.looked = time.Now()
		l.look()
	}
	return l.signal
}

func (l *Line) look() {
	if l.closed {
		return
	}
	l.signal = l.finder.find()
	if l.signal.Mechanism != Helper {
		l.forget()
		return
	}
	if l.finder.lines == nil {
		return
	}
	if l.held == nil {
		held, err := l.finder.lines.take(l.signal.Line, false)
		if err != nil {
			l.trouble(err)
			return
		}
		l.held = held
	}
	if err := l.finder.leaveWord(l.signal.Line); err != nil {
		l.trouble(err)
	}
}

// trouble adds what Find could not know. What it knew comes first.
func (l *Line) trouble(err error) { l.signal.Trouble = cmp.Or(l.signal.Trouble, err.Error()) }

// forget takes back what bramble-done may have been told in an earlier configuration.
func (l *Line) forget() {
	path := l.finder.path(SettingsPath)
	info, err := os.Stat(path)
	if err == nil && l.finder.lines != nil && isOurs(info) {
		os.Remove(path)
	}
	if l.held != nil {
		l.held.Close()
		l.held = nil
	}
}

// isOurs says whether this user made a file: another user's agent, whose word it is, may be the one that counts.
func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// ErrNotOurs says that there is no line here that a pulse could be put on.
var ErrNotOurs = errors.New("no done line of our own")

// Pulse raises the line and lowers it again after width, or when the context is done. It blocks until the line is low.
// Where no line is held it does nothing and returns an error that is ErrNotOurs. Pulses do not overlap.
func (l *Line) Pulse(ctx context.Context, width time.Duration) error {
	l.pulsing.Lock()
	defer l.pulsing.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := l.set(true); err != nil {
		return err
	}
	timer := time.NewTimer(width)
	defer timer.Stop()
	select {
	case <-timer.C:
		return l.set(false)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), l.set(false))
	}
}

func (l *Line) set(high bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.held != nil:
		if err := l.held.set(high); err != nil {
			return fmt.Errorf("done line %v: %w", l.signal.Line, err)
		}
		return nil
	case l.signal.Mechanism == Overlay:
		return fmt.Errorf("done line %v: %w: the kernel owns it (overlay gpio-poweroff); the first power-off that is watched proves its wire", l.signal.Line, ErrNotOurs)
	case l.signal.Mechanism == Helper:
		return fmt.Errorf("done line %v: %w: %s", l.signal.Line, ErrNotOurs, cmp.Or(l.signal.Trouble, "it is not held"))
	default:
		return fmt.Errorf("%w: no done line is configured", ErrNotOurs)
	}
}

// Close lets the line go, low. The word for bramble-done stays: it is needed when we are gone.
func (l *Line) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.held == nil {
		return nil
	}
	err := errors.Join(l.held.set(false), l.held.Close())
	l.held = nil
	return err
}

// leaveWord tells bramble-done the line, in one step and only if it has not been told already.
func (f finder) leaveWord(line gpio.Line) error {
	path := f.path(SettingsPath)
	if told, err := ReadSettings(f.Root); err == nil && told == line {
		return nil
	}
	fault := func(err error) error {
		return fmt.Errorf("bramble-done cannot be told its line: %w: systemd-tmpfiles --create bramble.conf makes /run/bramble", err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, []byte(formatSettings(line)), 0o644); err != nil {
		return fault(err)
	}
	if err := os.Rename(next, path); err != nil {
		os.Remove(next)
		return fault(err)
	}
	return nil
}

// formatSettings is one line: the number, and the chip's label if it has one.
func formatSettings(line gpio.Line) string {
	return strings.TrimSpace(strconv.Itoa(line.Offset)+" "+line.Chip) + "\n"
}

// ReadSettings returns the line that was left word of for bramble-done. root is where the machine's files begin.
func ReadSettings(root string) (gpio.Line, error) {
	path := Config{Root: root}.path(SettingsPath)
	text, err := os.ReadFile(path)
	if err != nil {
		return gpio.Line{}, err
	}
	line, err := parseSettings(string(text))
	if err != nil {
		return gpio.Line{}, fmt.Errorf("%s: %w", path, err)
	}
	return line, nil
}

func parseSettings(text string) (gpio.Line, error) {
	number, chip, _ := strings.Cut(strings.TrimSpace(text), " ")
	offset, err := strconv.ParseUint(number, 10, 16)
	if err != nil || strings.ContainsAny(chip, "\n\x00") {
		return gpio.Line{}, fmt.Errorf("%.40q is not a line's number and its chip's label, as the agent writes them", text)
	}
	return gpio.Line{Chip: chip, Offset: int(offset)}, nil
}
