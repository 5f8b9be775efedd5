package config

import (
	"fmt"
	"time"
)

// Hardware is what is wired to the coordinator's machine. It is plain enough to be kept as JSON.
type Hardware struct {
	Fans      []Fan      `json:"fans"`
	Rails     []Rail     `json:"rails,omitempty"`
	DoneLines []DoneLine `json:"done_lines,omitempty"`
}

// Fan is how one fan is driven and read. It has either a PWM or a Hwmon.
type Fan struct {
	Name  string `json:"name"`
	PWM   *PWM   `json:"pwm,omitempty"`
	Hwmon *Hwmon `json:"hwmon,omitempty"`
	Tach  *Tach  `json:"tach,omitempty"` // a wire of its own; nil without
}

// PWM is a channel of a PWM chip.
type PWM struct {
	Device            string `json:"device,omitempty"` // the chip's device or its end; empty is the header's, or the only one
	Channel           int    `json:"channel"`
	PeriodNanoseconds int    `json:"period_nanoseconds"`
	Inverted          bool   `json:"inverted,omitempty"`
}

// Hwmon is a fan that a kernel driver owns.
type Hwmon struct {
	Name     string `json:"name,omitempty"`   // of the hwmon device, or of the device it belongs to; empty is the only one with a fan
	Device   string `json:"device,omitempty"` // the end of the device's path, where several have the name
	PWM      int    `json:"pwm"`              // number of the output
	Fan      int    `json:"fan,omitempty"`    // number of the tachometer; 0 without
	TakeOver bool   `json:"take_over,omitempty"`
}

// Tach is a fan's speed wire on a GPIO line.
type Tach struct {
	Line   Line `json:"line"`
	Pulses int  `json:"pulses"` // per revolution
}

// Line is one GPIO line.
type Line struct {
	Chip   string `json:"chip,omitempty"` // label; empty is the chip of the 40-pin header
	Offset int    `json:"offset"`
}

// String is the line as a person would say it.
func (l Line) String() string {
	if l.Chip == "" {
		return fmt.Sprintf("GPIO%d", l.Offset)
	}
	return fmt.Sprintf("%s/%d", l.Chip, l.Offset)
}

// pin is the same for two lines that are one pin, or would be on some Raspberry Pi.
func (l Line) pin() Line {
	switch l.Chip {
	case "pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1": // the header's chip up to a Pi 3, on a Pi 4, on a Pi 5
		l.Chip = ""
	}
	return l
}

// Rail is what switches one node's feed: a Line or a Command.
type Rail struct {
	Node    string   `json:"node"`
	Line    *Output  `json:"line,omitempty"`
	Command *Command `json:"command,omitempty"`
}

// Output is a GPIO line that switches a feed.
type Output struct {
	Line       Line   `json:"line"`
	ActiveLow  bool   `json:"active_low,omitempty"` // the feed is on while the line is low
	ResetLevel string `json:"reset_level"`          // what the feed does while nobody drives the line: on, off or unknown
}

// Command is a program that switches a feed. Each is a program with its arguments; State exits with 0 for on and 1 for
// off, and is empty where there is none.
type Command struct {
	On      []string      `json:"on"`
	Off     []string      `json:"off"`
	State   []string      `json:"state,omitempty"`
	Timeout time.Duration `json:"timeout"`
}

// DoneLine is the input that says that a node's shutdown is complete.
type DoneLine struct {
	Node string `json:"node"`
	Line Line   `json:"line"`
}
