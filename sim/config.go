package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config says what case to simulate. The zero value is [Pico5] with seed 0; a
// field left at zero has the default named beside it. New reports every fault
// in it at once.
type Config struct {
	// Name is what the case is called. Default: the profile's name, or "case"
	// when Boards are given.
	Name string

	// Seed picks the noise, the boot ids, how long boots and shutdowns take
	// and the loads of random bursts.
	Seed uint64

	// AmbientCelsius is the room around the case, -20 to 60 C. Default: 22. A
	// room at exactly 0 C cannot be asked for here; Case.SetAmbient can.
	AmbientCelsius float64

	// Resistance scales what the fan has to overcome: the s of the package
	// doc, 0.2 to 5. Default: 1. A crowded case has 1.35.
	Resistance float64

	// TimeScale stretches every time constant of heat and fan, 0.1 to 10.
	// Default: 1.
	TimeScale float64

	// SettledDuty is the duty under which the boards had settled, at their own
	// Load, before the case starts, 0 to 1. Default: 0.3. The fan itself starts
	// at full, as an undriven 4-wire fan does.
	SettledDuty float64

	// Boards are the boards; the first is the master. Default: Pico5's.
	Boards []BoardConfig

	Fan    FanConfig
	Supply SupplyConfig

	// ThirdMode adds the slow mode of a closed case. Default: none.
	ThirdMode SlowMode
}

// BoardConfig describes one board.
type BoardConfig struct {
	// Name has 1 to 24 characters (the consumer label of a GPIO line holds
	// 31) and is unique.
	Name string

	// Kind is the kind of board. Default: Pi4B.
	Kind Kind

	// Rail says that the board's 5 V are switched by the master.
	Rail bool

	// DoneLine says that a wire tells the master when the board has shut down.
	DoneLine bool

	// DoneBy is who raises the line. Default: the overlay.
	DoneBy DoneBy

	// Overlay are the delays of a board whose line the overlay raises.
	Overlay OverlayConfig

	// StartsOff leaves the rail off at the start; it needs a Rail. Otherwise
	// the board is up and running when the case starts.
	StartsOff bool

	// Load is the board's load at the start, 0 to 1. Default: 0.02, idle.
	Load float64

	// BootTime is from power to a running agent, StopTime from an accepted
	// shutdown to the end of its file systems; both vary by up to 10 % with
	// each boot. Defaults: 20 s and 6 s (Pi 4B), 32 s and 10 s (3B+), ASSUMED.
	BootTime, StopTime time.Duration

	// CheckTime is how much longer a boot takes that checks its file systems,
	// again within 10 %: each after a cut or a reset while they were mounted, and
	// CheckChance of the others, 0 to 1. Defaults: 60 s, ASSUMED, and 0.
	CheckTime   time.Duration
	CheckChance float64
}

// OverlayConfig are the parameters of the gpio-poweroff overlay, each up to an
// hour. Defaults: its own, 100 ms, 100 ms and 3 s (raspberrypi/linux,
// overlays/README: active_delay_ms, inactive_delay_ms, timeout_ms).
type OverlayConfig struct {
	ActiveDelay, InactiveDelay time.Duration // of the pulse
	Timeout                    time.Duration // until the chip is reset and the line falls
}

// FanConfig describes the fan.
type FanConfig struct {
	Absent bool // no fan: Case.Fan returns nil and the boards stand in still air
	NoTach bool // Fan.RPM is errors.ErrUnsupported

	// Lag is the time constant of rpm behind duty. Default: 1.5 s, ASSUMED.
	Lag time.Duration
}

// SupplyConfig describes the converter that feeds the boards.
type SupplyConfig struct {
	// LimitAmps is what it can give at 5 V, up to 100000. Default: 15.
	LimitAmps float64

	// FixedAmps is what else hangs on it, and FixedMaxAmps the most that can
	// be, each up to 100000. Defaults: 3.2 and 5.1, a display, two SSDs and a
	// switch by their owner's estimate.
	FixedAmps, FixedMaxAmps float64
}

// SlowMode is a mode of heating that no fan reaches: the air of a closed case.
// Fits of closed cases gave 7.6 to 34 K and 466 to 1090 s
// (github.com/sjchiass/pitemp).
type SlowMode struct {
	Kelvin float64       // at full load, 0 to 60; 0 for no such mode
	Time   time.Duration // time constant; default: 600 s
}

// idleLoad is the load of a board that does nothing but run Kubernetes.
const idleLoad = 0.02

// maxNameLength keeps "bramble/" and a name inside a GPIO consumer label.
const maxNameLength = 24

// maxBoards bounds a case; the mesh is tried with thousands of agents. A supply
// of maxAmps is more than any converter gives, or such a case needs.
const (
	maxBoards = 10000
	maxAmps   = 100000
)

// Pico5 returns the reference case: a Pi 4B master, a Pi 4B worker and three
// Pi 3B+ workers, each worker with a rail and a done line, one NF-A4x20 5V PWM
// and a 15 A supply.
func Pico5() Config {
	return Config{
		Name: "pico5",
		Boards: []BoardConfig{
			{Name: "master", Kind: Pi4B},
			{Name: "worker-1", Kind: Pi4B, Rail: true, DoneLine: true},
			{Name: "worker-2", Kind: Pi3BPlus, Rail: true, DoneLine: true},
			{Name: "worker-3", Kind: Pi3BPlus, Rail: true, DoneLine: true},
			{Name: "worker-4", Kind: Pi3BPlus, Rail: true, DoneLine: true},
		},
	}
}

// Profiles returns the names that Profile knows.
func Profiles() []string { return []string{"pico5", "pico5-hard"} }

// Profile returns a named case: "pico5", or "pico5-hard", the same case in a
// 26 C room with a resistance of 1.35, where full speed itself barely holds the
// 3B+ limit. An unknown name is an error that lists the known ones.
func Profile(name string) (Config, error) {
	cfg := Pico5()
	switch name {
	case "pico5":
	case "pico5-hard":
		cfg.AmbientCelsius, cfg.Resistance = 26, 1.35
	default:
		return Config{}, fmt.Errorf("case %q is unknown: use one of %q", name, Profiles())
	}
	cfg.Name = name
	return cfg, nil
}

// Boards returns a case of n boards, 1 to 10000: Pico5's first n, and more 3B+
// workers after them, on a supply that grows with them.
func Boards(n int) (Config, error) {
	if n < 1 || n > maxBoards {
		return Config{}, fmt.Errorf("a case of %d boards cannot be: use 1 to %d", n, maxBoards)
	}
	cfg := Pico5()
	reference := len(cfg.Boards)
	for i := reference; i < n; i++ {
		cfg.Boards = append(cfg.Boards, BoardConfig{
			Name: fmt.Sprintf("worker-%d", i), Kind: Pi3BPlus, Rail: true, DoneLine: true,
		})
	}
	cfg.Boards = slices.Clip(cfg.Boards[:n])
	if n != reference {
		cfg.Name = fmt.Sprintf("%d-boards", n)
	}
	if n > reference {
		cfg.Supply.LimitAmps = defaultLimitAmps * float64(n) / float64(reference)
	}
	return cfg, nil
}

// Validate reports every fault of the configuration, each with its path and
// what is allowed, joined into one error; nil if there is none.
func (cfg Config) Validate() error {
	cfg = cfg.withDefaults()
	var f findings
	f.number("ambient_celsius", cfg.AmbientCelsius, minAmbient, maxAmbient)
	f.number("resistance", cfg.Resistance, 0.2, 5)
	f.number("time_scale", cfg.TimeScale, 0.1, 10)
	f.number("settled_duty", cfg.SettledDuty, 0, 1)
	f.duration("fan.lag", cfg.Fan.Lag, time.Minute)
	f.number("supply.limit_amps", cfg.Supply.LimitAmps, 0, maxAmps)
	f.number("supply.fixed_amps", cfg.Supply.FixedAmps, 0, maxAmps)
	f.number("supply.fixed_max_amps", cfg.Supply.FixedMaxAmps, 0, maxAmps)
	f.number("third_mode.kelvin", cfg.ThirdMode.Kelvin, 0, 60)
	f.duration("third_mode.time", cfg.ThirdMode.Time, 10*time.Hour)
	if len(cfg.Boards) > maxBoards {
		f.add("boards", "%d boards are too many: at most %d", len(cfg.Boards), maxBoards)
	}
	names := make(map[string]int, len(cfg.Boards))
	for i, b := range cfg.Boards {
		at := fmt.Sprintf("boards[%d].", i)
		f.board(at, b)
		if first, taken := names[b.Name]; taken {
			f.add(at+"name", "%q is already boards[%d]", b.Name, first)
			continue
		}
		names[b.Name] = i
	}
	return errors.Join(f...)
}

// withDefaults fills in what was left at zero. It does not alter the boards of
// the caller.
func (cfg Config) withDefaults() Config {
	if len(cfg.Boards) == 0 {
		pico5 := Pico5()
		cfg.Boards = pico5.Boards
		cfg.Name = either(cfg.Name, pico5.Name)
	}
	cfg.Name = either(cfg.Name, "case")
	cfg.AmbientCelsius = either(cfg.AmbientCelsius, 22)
	cfg.Resistance = either(cfg.Resistance, 1)
	cfg.TimeScale = either(cfg.TimeScale, 1)
	cfg.SettledDuty = either(cfg.SettledDuty, 0.3)
	cfg.Fan.Lag = either(cfg.Fan.Lag, 1500*time.Millisecond)
	cfg.Supply.LimitAmps = either(cfg.Supply.LimitAmps, defaultLimitAmps)
	cfg.Supply.FixedAmps = either(cfg.Supply.FixedAmps, 3.2)
	cfg.Supply.FixedMaxAmps = either(cfg.Supply.FixedMaxAmps, 5.1)
	cfg.ThirdMode.Time = either(cfg.ThirdMode.Time, 600*time.Second)
	cfg.Boards = slices.Clone(cfg.Boards)
	for i := range cfg.Boards {
		b := &cfg.Boards[i]
		b.Load = either(b.Load, idleLoad)
		b.BootTime = either(b.BootTime, b.Kind.figures().bootTime)
		b.StopTime = either(b.StopTime, b.Kind.figures().stopTime)
		b.CheckTime = either(b.CheckTime, time.Minute)
		b.Overlay.ActiveDelay = either(b.Overlay.ActiveDelay, 100*time.Millisecond)
		b.Overlay.InactiveDelay = either(b.Overlay.InactiveDelay, 100*time.Millisecond)
		b.Overlay.Timeout = either(b.Overlay.Timeout, 3*time.Second)
	}
	return cfg
}

// board returns the board with a name.
func (cfg Config) board(name string) (BoardConfig, bool) {
	i := slices.IndexFunc(cfg.Boards, func(b BoardConfig) bool { return b.Name == name })
	if i < 0 {
		return BoardConfig{}, false
	}
	return cfg.Boards[i], true
}

// names returns the names of the boards.
func (cfg Config) names() []string {
	names := make([]string, len(cfg.Boards))
	for i, b := range cfg.Boards {
		names[i] = b.Name
	}
	return names
}

// either returns value unless it is zero.
func either[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}

// findings collects faults, each with the path of the field it is in.
type findings []error

func (f *findings) add(path, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// number wants low <= value <= high, which NaN never is.
func (f *findings) number(path string, value, low, high float64) {
	if !(value >= low && value <= high) {
		f.add(path, "%v is out of range: use %v to %v", value, low, high)
	}
}

// duration wants 0 < value <= high.
func (f *findings) duration(path string, value, high time.Duration) {
	if value <= 0 || value > high {
		f.add(path, "%v is out of range: use more than 0s, at most %v", value, high)
	}
}

func (f *findings) board(at string, b BoardConfig) {
	switch {
	case b.Name == "":
		f.add(at+"name", "a board needs a name")
	case len(b.Name) > maxNameLength:
		f.add(at+"name", "%q has %d characters: use at most %d", b.Name, len(b.Name), maxNameLength)
	}
	if b.Kind < 0 || b.Kind >= numKinds {
		f.add(at+"kind", "%d is unknown: use %v or %v", int(b.Kind), Pi4B, Pi3BPlus)
	}
	if b.StartsOff && !b.Rail {
		f.add(at+"starts_off", "a board without a rail is always powered: give it a rail or let it start on")
	}
	f.number(at+"load", b.Load, 0, 1)
	f.duration(at+"boot_time", b.BootTime, time.Hour)
	f.duration(at+"stop_time", b.StopTime, time.Hour)
	f.duration(at+"check_time", b.CheckTime, time.Hour)
	f.number(at+"check_chance", b.CheckChance, 0, 1)
	if b.DoneBy < 0 || b.DoneBy >= numDoneBy {
		f.add(at+"done_by", "%d is unknown: use %v, %v or %v", int(b.DoneBy), DoneByOverlay, DoneByHelper, DoneByNone)
	}
	f.duration(at+"overlay.active_delay", b.Overlay.ActiveDelay, time.Hour)
	f.duration(at+"overlay.inactive_delay", b.Overlay.InactiveDelay, time.Hour)
	f.duration(at+"overlay.timeout", b.Overlay.Timeout, time.Hour)
}
