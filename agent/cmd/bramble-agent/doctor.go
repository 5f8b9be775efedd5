package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/agent/throttle"
	"github.com/bramblemesh/bramble/host/board"
	"github.com/bramblemesh/bramble/host/firmware"
	"github.com/bramblemesh/bramble/host/led"
	"github.com/bramblemesh/bramble/internal/document"
)

// errWrong ends doctor with exit code 1 and without another word: the report has said it all.
var errWrong = errors.New("something is wrong")

// What a finding can be.
const (
	stateOK          = "ok"
	stateInfo        = "info"        // worth knowing, nothing to repair
	stateUnsupported = "unsupported" // this board does not have it, which is not wrong
	stateWrong       = "wrong"
)

// finding is one thing that was looked at.
type finding struct {
	Item   string `json:"item"`
	State  string `json:"state"`
	Found  string `json:"found"`
	Source string `json:"source,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// doctor looks at everything that the agent would use, without changing anything, and reports it.
func doctor(o options, stdout io.Writer) error {
	e := &examination{root: o.root}
	s := e.configuration(o)
	machine, err := board.Read(o.root)
	if err != nil {
		return err
	}
	e.machine(s, machine)
	e.sensors()
	e.firmware()
	e.light()
	e.doneLine(s)
	e.outputs(machine)
	e.watchdog()
	e.shutdowns()
	e.listeners(s)
	e.state(s)
	if err := e.report(o.format, stdout); err != nil {
		return err
	}
	if e.wrong() > 0 {
		return errWrong
	}
	return nil
}

// examination is what has been found so far.
type examination struct {
	root     string
	findings []finding
}

// add notes a finding, with paths as the board itself has them.
func (e *examination) add(f finding) {
	if root := strings.TrimRight(e.root, "/"); root != "" {
		for _, text := range []*string{&f.Found, &f.Source, &f.Advice} {
			*text = strings.ReplaceAll(*text, root+"/", "/")
		}
	}
	e.findings = append(e.findings, f)
}

// failure notes what could not be had: unsupported is not wrong. The error names where it comes from.
func (e *examination) failure(item string, err error) {
	state := stateWrong
	if errors.Is(err, errors.ErrUnsupported) {
		state = stateUnsupported
	}
	found := strings.TrimSuffix(err.Error(), ": "+errors.ErrUnsupported.Error())
	e.add(finding{Item: item, State: state, Found: strings.TrimPrefix(found, item+": ")})
}

func (e *examination) wrong() (n int) {
	for _, f := range e.findings {
		if f.State == stateWrong {
			n++
		}
	}
	return n
}

// configuration reads the settings, and goes on with the defaults if they have faults.
func (e *examination) configuration(o options) settings {
	s, err := readSettings(o)
	if faults, ok := errors.AsType[*document.FaultsError](err); ok {
		for line := range strings.Lines(faults.Error()) {
			e.add(finding{Item: "settings", State: stateWrong, Found: strings.TrimSpace(line)})
		}
	} else if err != nil {
		e.add(finding{Item: "settings", State: stateWrong, Found: err.Error()})
	}
	if err != nil {
		s, _ = parseSettings("", nil)
		return s
	}
	found := s.source
	if found == "" {
		found = "defaults; " + o.configPath() + " would change them"
	}
	e.add(finding{Item: "settings", State: stateOK, Found: found})
	if why := s.slow(); why != "" {
		e.add(finding{Item: "interval", State: stateInfo, Found: why, Advice: "set interval to 2s or less in " + s.file()})
	}
	return s
}

func (e *examination) machine(s settings, machine board.Board) {
	name := nodeName(s, machine)
	if name == "" {
		name = "node (this machine has no name)"
	}
	e.add(finding{Item: "node", State: stateOK, Found: name})
	described := describe(machine)
	found := orElse(machine.Model, "a board that does not tell its model")
	if machine.Revision != 0 {
		found += fmt.Sprintf(", revision %x", machine.Revision)
	}
	if described.LimitCelsius != 0 {
		found += fmt.Sprintf(", slows down at %.0f C", described.LimitCelsius)
	}
	e.add(finding{Item: "board", State: stateOK, Found: found})
	e.add(finding{Item: "system", State: stateOK, Found: fmt.Sprintf("%s, kernel %s, %s",
		orElse(machine.Distribution, "unknown distribution"), orElse(machine.Kernel, "unknown"), orElse(machine.Architecture, "unknown architecture"))})
}

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// sensors reads every sensor once.
func (e *examination) sensors() {
	found, failed := openSensors(e.root)
	list := found.Sensors()
	for _, section := range []struct {
		item  string
		kind  agent.CapabilityKind
		match func(agent.SensorKind) bool
		none  string
	}{
		{"temperature", agent.TemperatureCapability, func(k agent.SensorKind) bool { return k != agent.CPUClock && k != agent.LinkSpeed },
			"no thermal zone and no hwmon temperature under /sys/class"},
		{"cpu clock", agent.CPUClockCapability, func(k agent.SensorKind) bool { return k == agent.CPUClock },
			"the kernel does not scale the processor's frequency"},
		{"link", agent.LinkSpeedCapability, func(k agent.SensorKind) bool { return k == agent.LinkSpeed },
			"no wired network port under /sys/class/net"},
	} {
		none := true
		for i, sensor := range list {
			if !section.match(sensor.Kind) {
				continue
			}
			none = false
			value, err := within(func() (float64, error) { return found.Read(i) })
			if err != nil {
				e.failure(section.item, err)
				continue
			}
			e.add(finding{Item: section.item, State: stateOK, Found: measured(sensor, value), Source: sensor.Source})
		}
		for _, capability := range failed {
			if capability.Kind == section.kind {
				none = false
				e.add(finding{Item: section.item, State: stateWrong, Found: capability.Detail})
			}
		}
		if none {
			e.add(finding{Item: section.item, State: stateUnsupported, Found: section.none})
		}
	}
}

// measured is a sensor's value for people.
func measured(sensor agent.Sensor, value float64) string {
	switch {
	case sensor.Kind == agent.CPUClock:
		return fmt.Sprintf("%.0f MHz", value/1e6)
	case sensor.Kind == agent.LinkSpeed && value == 0:
		return sensor.Name + " no carrier"
	case sensor.Kind == agent.LinkSpeed:
		return fmt.Sprintf("%s %.0f Mbit/s", sensor.Name, value)
	case sensor.LimitCelsius != 0:
		return fmt.Sprintf("%s %.1f C, limit %.0f C", sensor.Name, value, sensor.LimitCelsius)
	default:
		return fmt.Sprintf("%s %.1f C", sensor.Name, value)
	}
}

// patience is how long doctor waits for one driver.
const patience = 2 * time.Second

// within gives up on a read that hangs. Its goroutine is left behind; doctor ends soon after.
func within[T any](read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := read()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-time.After(patience):
		var none T
		return none, fmt.Errorf("no answer within %v: the driver hangs, see the kernel log", patience)
	}
}

// firmware asks the Raspberry Pi's firmware for its flags, and for what it measures itself.
func (e *examination) firmware() {
	source, err := firmware.Open(e.root)
	if err != nil {
		e.failure("throttling", err)
		return
	}
	defer source.Close()
	type answer struct{ word, known uint32 }
	a, err := within(func() (answer, error) {
		word, known, err := source.Word()
		return answer{word, known}, err
	})
	if err != nil {
		e.failure("throttling", err)
		return
	}
	f := flagsFound(a.word, a.known)
	f.Source = source.Source()
	if denied := source.Denied(); denied != nil {
		f.Advice = strings.TrimPrefix(f.Advice+"; for all flags: "+denied.Error(), "; ")
	}
	e.add(f)
	celsius, err := within(source.MeasureTemperature)
	if err != nil {
		return // only a comparison, and only some sources have it
	}
	found := fmt.Sprintf("measures %.1f C itself", celsius)
	if hertz, err := within(source.MeasureClock); err == nil {
		found += fmt.Sprintf(" and an ARM clock of %.0f MHz", float64(hertz)/1e6)
	}
	e.add(finding{Item: "firmware", State: stateInfo, Found: found, Source: source.Source()})
}

// flagsFound says what the throttling word tells now and what it has seen.
func flagsFound(word, known uint32) finding {
	var active, past []string
	unknown := false
	for flag := range throttle.Flag(throttle.Flags) {
		switch {
		case known&flag.Bit() == 0:
			unknown = true
		case word&flag.Bit() != 0:
			active = append(active, flag.String())
		case word&flag.HistoryBit() != 0:
			past = append(past, flag.String())
		}
	}
	f := finding{Item: "throttling", State: stateOK, Found: "no flag is raised"}
	if unknown {
		f.Found = "no under-voltage; other flags are not told here"
	}
	if len(past) > 0 {
		f.State, f.Found = stateInfo, "now fine, has been: "+strings.Join(past, ", ")
	}
	if len(active) > 0 {
		f.State, f.Found = stateWrong, "now: "+strings.Join(active, ", ")
		f.Advice = "cool the board"
		if word&throttle.UnderVoltage.Bit() != 0 {
			f.Advice = "use a stronger supply, or a shorter and thicker cable"
		}
	}
	return f
}

func (e *examination) light() {
	light, err := led.Find(e.root)
	if err != nil {
		e.failure("light", err)
		return
	}
	f := finding{Item: "light", State: stateOK, Found: light.Name() + " can blink", Source: "/sys/class/leds/" + light.Name()}
	if err := light.Writable(); err != nil {
		f.State, f.Found, f.Source = stateInfo, "this user may not switch it: "+err.Error(), ""
	}
	e.add(f)
}
