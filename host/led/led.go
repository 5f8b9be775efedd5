// Package led switches the board's own light, so that a person in front of a
// stack of boards can see which one is meant.
//
// The light is one of /sys/class/leds: the activity light where there is one
// (ACT on a Raspberry Pi, led0 with old kernels, "...:usr" or "...:activity" on
// other boards), else a status or the power light. Lights of keyboards, network
// ports and storage are never taken.
//
// A light usually follows a trigger of the kernel, such as mmc0. The first Set
// remembers which, and Restore gives it back; a trigger's own parameters (the
// times of "timer") start from their defaults then. After a crash in between the
// light stays as it was last set, until the next boot.
package led

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// LED is one light. Use it from one goroutine at a time.
type LED struct {
	name string
	dir  string
	on   string // the value of brightness that is fully lit

	taken               bool
	trigger, brightness string // what Restore gives back; brightness only without a trigger
}

// preference lists whole names, and functions (the part of a name after its last
// colon, Documentation/leds/leds-class.rst), best first.
func preference() []string {
	return []string{"ACT", "led0", "activity", "act", "heartbeat", "usr", "user", "status", "indicator", "work", "PWR", "led1", "power", "pwr", "standby"}
}

// Find returns the board's light under root; "" and "/" are the live system. It
// is errors.ErrUnsupported where there is none.
func Find(root string) (*LED, error) {
	class := attribute.Path(root, "sys/class/leds")
	entries, err := os.ReadDir(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list lights: %w", err)
	}
	best, name := len(preference()), ""
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(class, entry.Name(), "brightness")); err != nil {
			continue
		}
		if rank := rank(entry.Name()); rank >= 0 && rank < best {
			best, name = rank, entry.Name()
		}
	}
	if name == "" {
		return nil, fmt.Errorf("no activity, status or power light in %s: %w", class, errors.ErrUnsupported)
	}
	l := &LED{name: name, dir: filepath.Join(class, name), on: "1"}
	if most, err := attribute.Text(l.path("max_brightness")); err == nil {
		if n, err := strconv.Atoi(most); err == nil && n > 0 {
			l.on = most
		}
	}
	return l, nil
}

// rank returns the place of a light in preference; -1 for none.
func rank(name string) int {
	device, function, named := strings.Cut(name, ":")
	if !named {
		return slices.Index(preference(), name)
	}
	for _, foreign := range []string{"input", "mmc", "phy", "ath", "rt2", "enp", "eth", "end", "nvme", "ata", "tpacpi"} {
		if strings.HasPrefix(device, foreign) {
			return -1
		}
	}
	if i := strings.LastIndexByte(function, ':'); i >= 0 {
		function = function[i+1:]
	}
	// The kernel numbers equal names by a suffix "_1".
	function, _, _ = strings.Cut(function, "_")
	return slices.Index(preference(), strings.TrimRight(function, "0123456789-"))
}

// Name returns the kernel's name of the light.
func (l *LED) Name() string { return l.name }

// Writable returns nil if this process may switch the light, else what Set would
// say. It changes nothing.
func (l *LED) Writable() error {
	for _, file := range []string{"trigger", "brightness"} {
		path := l.path(file)
		if err := unix.Access(path, unix.W_OK); err != nil && !(file == "trigger" && errors.Is(err, unix.ENOENT)) {
			return l.explained(&fs.PathError{Op: "write", Path: path, Err: err})
		}
	}
	return nil
}

// Set switches the light on or off and takes it from its trigger at the first
// call. An error that is fs.ErrPermission says what to do.
func (l *LED) Set(on bool) error {
	if !l.taken {
		if err := l.take(); err != nil {
			return l.explained(err)
		}
	}
	value := "0"
	if on {
		value = l.on
	}
	if err := attribute.Write(l.path("brightness"), value); err != nil {
		return l.explained(err)
	}
	return nil
}

func (l *LED) take() error {
	brightness, err := attribute.Text(l.path("brightness"))
	if err != nil {
		return err
	}
	trigger, err := l.selected()
	if err != nil {
		return err
	}
	if trigger != "" && trigger != "none" {
		if err := attribute.Write(l.path("trigger"), "none"); err != nil {
			return err
		}
	}
	l.taken, l.trigger, l.brightness = true, trigger, brightness
	return nil
}

// selected returns the trigger in brackets; "" where the kernel has no triggers.
func (l *LED) selected() (string, error) {
	list, err := attribute.Text(l.path("trigger"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for word := range strings.FieldsSeq(list) {
		if name, ok := strings.CutPrefix(word, "["); ok {
			return strings.TrimSuffix(name, "]"), nil
		}
	}
	return "none", nil
}

// Restore gives the light back to the trigger, or the brightness, that it had
// before the first Set. Without a Set before it does nothing.
func (l *LED) Restore() error {
	if !l.taken {
		return nil
	}
	file, value := "trigger", l.trigger
	if value == "" || value == "none" {
		file, value = "brightness", l.brightness
	}
	if err := attribute.Write(l.path(file), value); err != nil {
		return l.explained(err)
	}
	l.taken = false
	return nil
}

func (l *LED) path(file string) string { return filepath.Join(l.dir, file) }

func (l *LED) explained(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("light %s: %w: let the agent's user write brightness and trigger, for example by the udev rule "+
			`SUBSYSTEM=="leds", ACTION=="add", RUN+="/bin/chgrp bramble-agent /sys%%p/brightness /sys%%p/trigger", RUN+="/bin/chmod g+w /sys%%p/brightness /sys%%p/trigger"`, l.name, err)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("light %s: %w: /sys is read-only for the agent; set ProtectKernelTunables=no in its unit", l.name, err)
	}
	return fmt.Errorf("light %s: %w", l.name, err)
}
