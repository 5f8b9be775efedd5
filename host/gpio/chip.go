package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotFound is wrapped by an error that says that there is no such chip or line.
var ErrNotFound = errors.New("not found")

// BusyError says that somebody else holds a line.
type BusyError struct {
	Line Line
	// Holder is the consumer that the kernel names: a driver, a hog or a program's label. It can
	// be empty.
	Holder string
}

// Error names the line and its holder.
func (e *BusyError) Error() string {
	holder, advice := "another driver or program", "stop that, remove its overlay or configure another line"
	if e.Holder != "" {
		holder = strconv.Quote(e.Holder)
	}
	if strings.HasPrefix(e.Holder, "bramble/") {
		advice = "another coordinator runs, or bramble-rails did not hand it over (systemctl status bramble-rails), or two things are configured on one line"
	}
	return fmt.Sprintf("gpio line %v is held by %s: %s", e.Line, holder, advice)
}

// Line is one pin.
type Line struct {
	// Chip is the label of the pin's chip, such as pinctrl-bcm2711. Empty means the chip of the
	// 40-pin header: pinctrl-bcm2835 up to a Pi 3, pinctrl-bcm2711 on a Pi 4, pinctrl-rp1 on a
	// Pi 5.
	Chip string
	// Offset counts the chip's lines from 0. On a header's chip it is the GPIO number.
	Offset int
}

// String returns the chip's label and the offset, as in pinctrl-bcm2711/17.
func (l Line) String() string {
	chip := l.Chip
	if chip == "" {
		chip = "header"
	}
	return chip + "/" + strconv.Itoa(l.Offset)
}

// Chip is one GPIO controller.
type Chip struct {
	Name  string // gpiochip0; may change with every boot
	Label string // pinctrl-bcm2711; stays
	Lines int    // number of lines
}

// Info is what the kernel tells about a line to anyone who asks.
type Info struct {
	Name      string // as in the device tree, GPIO17 or SDA1; often empty
	Used      bool   // held by a driver or a program
	Consumer  string // who holds it, if it said
	Output    bool   // driven, else an input
	ActiveLow bool   // its holder calls low on
	BothEdges bool   // its holder is told of rising and falling edges
}

// Chips lists the chips of this machine in the order of their numbers. Chips that may not be
// opened are left out and named in the error, beside which the list is good.
func Chips() ([]Chip, error) { return machine{characterDevices{}}.chips() }

// Inspect returns what the kernel says about a line, without requesting it. The error wraps
// [ErrNotFound] when there is no such chip or line.
func Inspect(line Line) (Info, error) {
	m := machine{characterDevices{}}
	chip, err := m.find(line)
	if err != nil {
		return Info{}, err
	}
	return m.inspect(chip, line)
}

// kernel is what this package asks of the GPIO character devices.
type kernel interface {
	// names lists what is called gpiochipN below /dev, symbolic links included.
	names() []string
	// chip opens and describes a device, or returns errNotChip.
	chip(name string) (Chip, error)
	// line describes a line without requesting it.
	line(chip string, offset int) (Info, error)
	// watch requests a line and calls handle, one edge after the other, until stop returns.
	watch(chip string, offset int, consumer string, handle func(edge)) (stop func() error, err error)
	requests
}

// errNotChip says that a name below /dev leads to no GPIO chip.
var errNotChip = errors.New("not a gpio chip")

type machine struct{ kernel }

func (m machine) chips() ([]Chip, error) {
	var chips []Chip
	var faults []error
	for _, name := range m.names() {
		chip, err := m.chip(name)
		switch {
		case err == nil:
			chips = append(chips, chip)
		case errors.Is(err, fs.ErrPermission):
			faults = append(faults, fmt.Errorf("/dev/%s: %w: join group gpio or add a udev rule", name, err))
		case !errors.Is(err, errNotChip) && !errors.Is(err, fs.ErrNotExist):
			faults = append(faults, fmt.Errorf("/dev/%s: %w", name, err))
		}
	}
	return chips, errors.Join(faults...)
}

// headerLabels are the labels of the chips that a Raspberry Pi's header hangs on, as the drivers
// pinctrl-bcm2835.c and pinctrl-rp1.c set them.
func headerLabels() []string { return []string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"} }

// find returns the one chip that a line's label means.
func (m machine) find(line Line) (Chip, error) {
	labels := []string{line.Chip}
	if line.Chip == "" {
		labels = headerLabels()
	}
	chips, fault := m.chips()
	var found, seen []string
	var match Chip
	for _, chip := range chips {
		seen = append(seen, fmt.Sprintf("%q (%s)", chip.Label, chip.Name))
		if slices.Contains(labels, chip.Label) {
			match = chip
			found = append(found, chip.Name)
		}
	}
	switch {
	case len(found) > 1:
		return Chip{}, fmt.Errorf("gpio line %v: %s all have the label: none can be told from the other", line, strings.Join(found, ", "))
	case len(found) == 1 && (line.Offset < 0 || line.Offset >= match.Lines):
		return Chip{}, fmt.Errorf("gpio line %v: %w: chip %q has lines 0 to %d", line, ErrNotFound, match.Label, match.Lines-1)
	case len(found) == 1:
		return match, nil
	}
	text := "there is no gpio chip on this machine"
	if len(seen) > 0 {
		text = "this machine has " + strings.Join(seen, ", ")
	}
	if fault != nil {
		text += "; unreadable: " + strings.ReplaceAll(fault.Error(), "\n", ", ")
	}
	return Chip{}, fmt.Errorf("gpio line %v: %w: want a chip labelled %s; %s", line, ErrNotFound, strings.Join(labels, " or "), text)
}

// inspect asks for a line's information and checks that the kernel means the same pin.
func (m machine) inspect(chip Chip, line Line) (Info, error) {
	info, err := m.line(chip.Name, line.Offset)
	if err != nil {
		return Info{}, fmt.Errorf("gpio line %v: %w", line, err)
	}
	// Only some lines are named after their number (GPIO5, but SDA1 for GPIO2), and only a
	// header's chip counts them as its header does.
	number := regexp.MustCompile(`^GPIO(\d+)$`).FindStringSubmatch(info.Name)
	if number != nil && number[1] != strconv.Itoa(line.Offset) && slices.Contains(headerLabels(), chip.Label) {
		return Info{}, fmt.Errorf("gpio line %v: the kernel calls it %s: not the pin that was meant; check chip and offset", line, info.Name)
	}
	return info, nil
}

// watch requests a line for its falling edges.
func (m machine) watch(line Line, consumer string, handle func(edge)) (stop func() error, err error) {
	chip, err := m.look(line)
	if err != nil {
		return nil, err
	}
	if stop, err = m.kernel.watch(chip.Name, line.Offset, consumer, handle); err != nil {
		return nil, m.refusal(chip, line, err)
	}
	return stop, nil
}

// look finds a line and checks that it is the pin that was meant.
func (m machine) look(line Line) (Chip, error) {
	chip, err := m.find(line)
	if err != nil {
		return Chip{}, err
	}
	_, err = m.inspect(chip, line)
	return chip, err
}

// refusal says why a line cannot be had.
func (m machine) refusal(chip Chip, line Line, err error) error {
	switch {
	case errors.Is(err, syscall.EBUSY):
		info, _ := m.line(chip.Name, line.Offset) // who holds it is a courtesy
		return &BusyError{Line: line, Holder: info.Consumer}
	case errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("gpio line %v: %w: chip %q raises no interrupts; use a header pin", line, err, chip.Label)
	}
	return fmt.Errorf("gpio line %v: request: %w", line, err)
}
