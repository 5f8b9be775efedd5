package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/host/gpio"
)

// described are lines as a kernel would describe them, by offset.
type described struct {
	lines   map[int]gpio.Info
	persist string
}

func (d described) Inspect(line gpio.Line) (gpio.Info, error) {
	info, ok := d.lines[line.Offset]
	if !ok {
		return gpio.Info{}, gpio.ErrNotFound
	}
	return info, nil
}

func (d described) Persistence(string) (state, source string) { return d.persist, "a file" }

func TestDoctorOnRails(t *testing.T) {
	free, mine := gpio.Info{Name: "GPIO17"}, gpio.Info{Name: "GPIO17", Used: true, Output: true, Consumer: "bramble/worker-1"}
	other, turned := mine, mine
	other.Consumer, turned.Output = "w1-gpio", false
	kept := map[string]string{"rail.worker-1": "gpiochip0/17 is on"}
	for _, row := range []struct {
		name        string
		info        gpio.Info
		persist     string
		kept        map[string]string
		running     bool
		reset       string
		activeLow   bool
		wrong, look int
		want        string
	}{
		{"kept", mine, gpio.PersistNo, kept, true, "off", false, 0, 0, "systemctl stop: stays as it is, bramble-rails holds it; kill -9: stays as it is, bramble-rails holds it; when this machine hangs, is reset or has gone down: is CUT"},
		{"kept by the kernel", mine, gpio.PersistYes, nil, true, "off", false, 0, 0, "systemctl stop: stays as it is, the kernel keeps the level; kill -9: stays"},
		{"kept by nobody", mine, gpio.PersistNo, nil, true, "off", false, 0, 1, "systemctl stop: is CUT; kill -9: stays as it is if systemd keeps it"},
		{"nobody knows", mine, gpio.PersistUnknown, nil, true, "off", false, 0, 1, "systemctl stop: stays as it is, or is CUT: the kernel does not say; kill -9: stays as it is if systemd"},
		{"not said", mine, gpio.PersistYes, nil, true, "unknown", false, 0, 1, "has gone down: MAY BE CUT (reset_level is unknown)"},
		{"pulled up outside", mine, gpio.PersistNo, kept, true, "on", false, 0, 1, "reset_level is on, but GPIO17 is pulled down at a reset, which by itself means off"},
		{"active low", mine, gpio.PersistNo, kept, true, "on", true, 0, 0, "has gone down: goes or stays on"},
		{"active low and off", mine, gpio.PersistNo, kept, true, "off", true, 0, 1, "pulled down at a reset and is active low, which by itself means on"},
		{"not in use", free, gpio.PersistYes, nil, false, "off", false, 0, 0, "worker-1: GPIO17, an input, held by nobody"},
		{"somebody else's", other, gpio.PersistYes, nil, true, "off", false, 1, 0, `held by "w1-gpio"`},
		{"an input", turned, gpio.PersistYes, nil, true, "off", false, 1, 0, "an input, held by bramble/worker-1"},
		{"a name alone", mine, gpio.PersistYes, nil, false, "off", false, 0, 1, "though no coordinator is seen"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := &examination{lines: described{map[int]gpio.Info{17: row.info}, row.persist}, kept: row.kept, answers: row.kept != nil, running: row.running}
			e.rail(config.Rail{Node: "worker-1", Line: &config.Output{Line: config.Line{Offset: 17}, ActiveLow: row.activeLow, ResetLevel: row.reset}})
			e.judge(t, row.wrong, row.look, row.want)
		})
	}
}

func TestDoctorOnDoneLines(t *testing.T) {
	held := gpio.Info{Used: true, Consumer: "bramble/worker-1"}
	for _, row := range []struct {
		name        string
		offset      int
		output      bool
		wrong, look int
		want        string
	}{
		{"in order", 25, false, 0, 0, "GPIO25, an input, held by bramble/worker-1"},
		{"pulled up", 8, false, 0, 1, "GPIO8 is pulled up at a reset"},
		{"pulled down", 9, false, 0, 0, "GPIO9, an input"},
		{"driven", 25, true, 1, 0, "GPIO25, an output, held by bramble/worker-1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			held.Output = row.output
			e := &examination{lines: described{lines: map[int]gpio.Info{row.offset: held}}, running: true}
			e.doneLine(config.DoneLine{Node: "worker-1", Line: config.Line{Offset: row.offset}})
			e.judge(t, row.wrong, row.look, row.want)
		})
	}
}

// The kernel cuts a holder's name, which is no other holder.
func TestDoctorKnowsLongNames(t *testing.T) {
	node := "a-node-with-the-longest-n" // 25 characters
	e := &examination{lines: described{lines: map[int]gpio.Info{25: {Used: true, Consumer: ("bramble/" + node)[:31]}}}, running: true}
	e.doneLine(config.DoneLine{Node: node, Line: config.Line{Offset: 25}})
	e.judge(t, 0, 0, "held by bramble/"+node[:23])
}

func TestDoctorOnTheBus(t *testing.T) {
	e := &examination{}
	e.bus(false, nil)
	e.judge(t, 0, 0, "stops the workers first")
	e.bus(false, errors.New("no bus"))
	e.judge(t, 1, 0, "would not stop the workers first: no bus")
}

func (e *examination) judge(t *testing.T, wrong, look int, want string) {
	t.Helper()
	var all strings.Builder
	for _, f := range e.findings {
		all.WriteString(f.state + " " + f.found + " -> " + f.advice + "\n")
	}
	if e.count(stateWrong) != wrong || e.count(stateLook) != look || !strings.Contains(all.String(), want) {
		t.Errorf("want %d wrong, %d to look at and %q:\n%s", wrong, look, want, all.String())
	}
}
