package main

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/internal/keeper"
)

// longestHolder is how much of a holder's name the kernel keeps (GPIO_MAX_NAME_SIZE in include/uapi/linux/gpio.h, less
// the final NUL).
const longestHolder = 31

// line looks at a line that is used for a node or a fan. keptAs is the name under which bramble-rails would hold it; empty
// is none. It returns false if the line cannot be had.
func (e *examination) line(item, who string, at config.Line, output bool, keptAs string) (gpio.Info, bool) {
	info, err := e.lines.Inspect(gpio.Line{Chip: at.Chip, Offset: at.Offset})
	if err != nil {
		e.add(item, stateWrong, fmt.Sprintf("%s: %v", who, err), "")
		return info, false
	}
	found := fmt.Sprintf("%s: %s", who, at)
	if info.Name != "" && info.Name != at.String() {
		found += " (" + info.Name + ")"
	}
	found += map[bool]string{true: ", an output, ", false: ", an input, "}[info.Output]
	mine := "bramble/" + who
	mine = mine[:min(len(mine), longestHolder)]
	where, kept := e.kept[keptAs]
	switch {
	case !info.Used:
		e.add(item, stateOK, found+"held by nobody", "")
	case info.Consumer != mine:
		e.add(item, stateWrong, fmt.Sprintf("%sheld by %q", found, info.Consumer), "stop that, remove its overlay or configure another line")
		return info, false
	case info.Output != output:
		e.add(item, stateWrong, found+"held by "+mine, "lines of the configuration may be swapped, or were while the coordinator was started: correct them and restart it")
	case kept:
		e.add(item, stateOK, fmt.Sprintf("%sheld by %s and kept by bramble-rails: %s", found, mine, where), "")
	case e.running:
		e.add(item, stateOK, found+"held by "+mine, "")
	default:
		e.add(item, stateLook, found+"held by "+mine+", though no coordinator is seen and bramble-rails is not seen to have it",
			"systemd keeps it for a service that restarts; else find who it is (gpioinfo, lsof /dev/gpiochip*)")
	}
	return info, true
}

// outputs says for each chip with a rail what becomes of an output that nobody holds any more.
func (e *examination) outputs(rails []config.Rail) {
	var seen []string
	for _, r := range rails {
		if r.Line == nil || slices.Contains(seen, r.Line.Line.Chip) {
			continue
		}
		seen = append(seen, r.Line.Line.Chip)
		persist, source := e.lines.Persistence(r.Line.Line.Chip)
		e.add("outputs", stateInfo, map[string]string{
			gpio.PersistYes:     "a released output keeps its level, ",
			gpio.PersistNo:      "a released output falls to its pull, ",
			gpio.PersistUnknown: "it is not known whether a released output keeps its level: ",
		}[persist]+source, "")
	}
}

// falls says whether a feed may change when nobody holds its line.
func (e *examination) falls(rails []config.Rail) bool {
	return slices.ContainsFunc(rails, func(r config.Rail) bool {
		if r.Line == nil {
			return false
		}
		persist, _ := e.lines.Persistence(r.Line.Line.Chip)
		return persist != gpio.PersistYes && r.Line.ResetLevel != "on"
	})
}

// rail looks at what switches a node's feed.
func (e *examination) rail(r config.Rail) {
	if r.Command != nil {
		e.programs(r)
		return
	}
	info, ok := e.line("rail", r.Node, r.Line.Line, true, keeper.Rail(r.Node))
	if ok {
		e.survival(r.Node, r.Line, info.Used)
	}
	e.pull(r.Node, r.Line)
}

// programs looks whether a rail's programs can be run.
func (e *examination) programs(r config.Rail) {
	if _, err := newProgram(r); err != nil {
		e.add("rail", stateWrong, r.Node+": "+err.Error(), "")
		return
	}
	faulty := false
	for _, words := range [][]string{r.Command.On, r.Command.Off, r.Command.State} {
		if len(words) == 0 {
			continue
		}
		var is unix.Stat_t
		err := unix.Stat(words[0], &is)
		if err == nil && is.Mode&unix.S_IFMT != unix.S_IFREG {
			err = unix.EACCES // as execve(2) would say
		}
		if err == nil {
			err = unix.Access(words[0], unix.X_OK)
		}
		if err != nil {
			faulty = true
			e.add("rail", stateWrong, fmt.Sprintf("%s: %s cannot be run: %v", r.Node, words[0], err), "install it, chmod +x it, or correct the path; as another user, "+asService)
		}
	}
	if !faulty {
		e.add("rail", stateOK, fmt.Sprintf("%s: switched by %s; what it does when this machine ends is its own affair", r.Node, r.Command.On[0]), "")
	}
}

// survival says what becomes of a feed when the coordinator or this machine ends.
func (e *examination) survival(node string, r *config.Output, used bool) {
	undriven := map[string]string{"on": "goes or stays on", "off": "is CUT"}[r.ResetLevel]
	if undriven == "" {
		undriven = "MAY BE CUT (reset_level is unknown)"
	}
	_, kept := e.kept[keeper.Rail(node)]
	persist, _ := e.lines.Persistence(r.Line.Chip)
	released, state, advice := undriven, stateOK, ""
	switch {
	case kept:
		released = "stays as it is, bramble-rails holds it"
	case persist == gpio.PersistYes:
		released = "stays as it is, the kernel keeps the level"
	case e.answers && !used:
		released = "stays as it is, bramble-rails will hold it"
	case persist == gpio.PersistUnknown:
		released = "stays as it is, or " + undriven + ": the kernel does not say"
	}
	killed := released
	if released == undriven || strings.HasPrefix(released, "stays as it is, or") {
		killed = "stays as it is if systemd keeps it for the service, else the same as at a stop"
		if r.ResetLevel != "on" {
			state, advice = stateLook, "systemctl enable --now bramble-rails, and restart the coordinator: then it holds this line"
		}
	}
	switch {
	case r.ResetLevel == "on":
	case r.ResetLevel == "off" && state == stateOK:
		state, advice = stateInfo, "if a hang of this machine must not cut it: "+holdsOn(r)+", and reset_level: on"
	case r.ResetLevel != "off":
		state, advice = stateLook, "measure the feed while nothing drives the pin (before the coordinator's first start), and say reset_level: on or off"
	}
	e.add("", state, fmt.Sprintf("systemctl stop: %s; kill -9: %s; when this machine hangs, is reset or has gone down: %s", released, killed, undriven), advice)
}

// holdsOn is the resistor that keeps a feed on.
func holdsOn(r *config.Output) string {
	if r.ActiveLow {
		return "a pull-down of 10 kOhm on its pin"
	}
	return "a pull-up of 10 kOhm to 3.3 V on its pin"
}

// onHeader says whether a line is a pin of the 40-pin header of a Raspberry Pi.
func onHeader(l config.Line) bool {
	return l.Offset <= 27 && slices.Contains([]string{"", "pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"}, l.Chip)
}

// pulledUp says where a header's pin is pulled after a reset: GPIO 0 to 8 up, 9 to 27 down (BCM2835 ARM Peripherals, table
// 6-31; BCM2711 and RP1 are the same).
func pulledUp(l config.Line) bool { return l.Offset <= 8 }

// pull compares what is said of a rail with what its pin does by itself.
func (e *examination) pull(node string, r *config.Output) {
	if !onHeader(r.Line) || r.ResetLevel != "on" && r.ResetLevel != "off" {
		return
	}
	natural := "off"
	if pulledUp(r.Line) != r.ActiveLow {
		natural = "on"
	}
	if natural == r.ResetLevel {
		return
	}
	low := ""
	if r.ActiveLow {
		low = " and is active low"
	}
	e.add("", stateLook, fmt.Sprintf("%s: reset_level is %s, but %v is pulled %s at a reset%s, which by itself means %s", node, r.ResetLevel, r.Line,
		map[bool]string{true: "up", false: "down"}[pulledUp(r.Line)], low, natural),
		"right only where a resistor on the switch's board overrules the pin's pull of about 50 kOhm: measure")
}

// doneLine looks at the input that says that a node has shut down.
func (e *examination) doneLine(d config.DoneLine) {
	e.line("done line", d.Node, d.Line, false, keeper.Done(d.Node))
	if onHeader(d.Line) && pulledUp(d.Line) {
		e.add("", stateLook, fmt.Sprintf("%s: %v is pulled up at a reset, and feeds an unpowered worker through the wire until the coordinator runs", d.Node, d.Line),
			"use one of GPIO 9 to 27, which are pulled down, or a pull-down of 10 kOhm")
	}
}
