package pwm

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
)

// fan is what a fan controller asks of either back end.
type fan interface {
	SetDuty(fraction float64) error
	RPM() (rpm float64, err error)
	Safe() error
}

// rig is an open fan on a simulated kernel.
type rig struct {
	fan    fan
	kernel *simulated
	sees   func() float64 // the duty that reaches the fan; NaN when undefined
	step   float64        // half of the smallest change of duty
	spoil  func()         // what another program may do to the output
	writes int            // for each duty
}

// contract is what a fan controller relies on, whichever back end it has.
func contract(t *testing.T, build func(t *testing.T) rig) {
	for name, check := range map[string]func(*testing.T, rig){
		"a duty reaches the fan":                  reachesTheFan,
		"nonsense is refused and changes nothing": refusesNonsense,
		"few writes a duty and no file opened":    writesFew,
		"safe is full speed":                      safeIsFull,
		"safe repairs what others did":            safeRepairs,
		"a speed or none":                         readsASpeed,
		"from any goroutine":                      fromAnyGoroutine,
	} {
		t.Run(name, func(t *testing.T) { check(t, build(t)) })
	}
}

func reachesTheFan(t *testing.T, r rig) {
	for _, fraction := range []float64{1, 0.2, 0.01, 0.5, 0.333, 0, 0.999, 1} {
		if err := r.fan.SetDuty(fraction); err != nil {
			t.Fatalf("%v: %v", fraction, err)
		}
		if seen := r.sees(); !(math.Abs(seen-fraction) <= r.step+1e-4) {
			t.Errorf("the fan sees %v, want %v", seen, fraction)
		}
	}
}

func refusesNonsense(t *testing.T, r rig) {
	if err := r.fan.SetDuty(0.4); err != nil {
		t.Fatal(err)
	}
	before, writes := r.sees(), len(r.kernel.transcript)
	for _, fraction := range []float64{math.NaN(), -0.001, 1.001, math.Inf(1), math.Inf(-1), 40, 255} {
		err := r.fan.SetDuty(fraction)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(fraction)) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%v: error %v", fraction, err)
		}
	}
	if r.sees() != before || len(r.kernel.transcript) != writes {
		t.Errorf("the fan sees %v after %v; writes %q", r.sees(), before, r.kernel.transcript[writes:])
	}
}

func writesFew(t *testing.T, r rig) {
	opened, writes := r.kernel.opened, len(r.kernel.transcript)
	for i := range 10 {
		if err := r.fan.SetDuty(float64(i) / 10); err != nil {
			t.Fatal(err)
		}
	}
	if r.kernel.opened != opened || len(r.kernel.transcript) != writes+10*r.writes {
		t.Errorf("%d files opened, writes %q", r.kernel.opened-opened, r.kernel.transcript[writes:])
	}
}

func safeIsFull(t *testing.T, r rig) {
	for _, fraction := range []float64{0, 0.3, 1} {
		if err := r.fan.SetDuty(fraction); err != nil {
			t.Fatal(err)
		}
		if err := r.fan.Safe(); err != nil || r.sees() != 1 {
			t.Fatalf("the fan sees %v, %v", r.sees(), err)
		}
	}
}

func safeRepairs(t *testing.T, r rig) {
	if err := r.fan.SetDuty(0.3); err != nil {
		t.Fatal(err)
	}
	r.kernel.mu.Lock()
	r.spoil()
	r.kernel.mu.Unlock()
	if seen := r.sees(); seen == 0.3 || seen == 1 {
		t.Fatalf("spoiling has no effect: %v", seen)
	}
	if err := r.fan.Safe(); err != nil || r.sees() != 1 {
		t.Fatalf("the fan sees %v, %v", r.sees(), err)
	}
	if err := r.fan.SetDuty(0.5); err != nil || math.Abs(r.sees()-0.5) > r.step {
		t.Errorf("afterwards the fan sees %v, %v; want 0.5", r.sees(), err)
	}
}

func readsASpeed(t *testing.T, r rig) {
	if rpm, err := r.fan.RPM(); rpm < 0 || err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v rpm, %v", rpm, err)
	}
}

func fromAnyGoroutine(t *testing.T, r rig) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 50 {
				_, _ = r.fan.SetDuty(float64(i)/4), r.fan.Safe()
				_, _ = r.fan.RPM()
			}
		})
	}
	all.Wait()
	if err := r.fan.Safe(); err != nil || r.sees() != 1 {
		t.Errorf("the fan sees %v, %v", r.sees(), err)
	}
}

func TestContract(t *testing.T) {
	channel := func(machine func() (*simulated, *simulatedChip), config Config, prepare func(*simulatedChannel), spoil func(*simulatedChip)) func(*testing.T) rig {
		return func(t *testing.T) rig {
			k, chip := machine()
			prepare(chip.channels[config.Channel])
			c := openTest(t, k, config)
			return rig{c, k, func() float64 { return chip.channels[config.Channel].sees(config.Inverted) }, 1.0 / 80_000, func() { spoil(chip) }, 2}
		}
	}
	fresh := func(*simulatedChannel) {}
	off := func(c *simulatedChip) { c.channels[0].enabled = false }
	plain := func() (*simulated, *simulatedChip) {
		k := newKernel()
		return k, k.addChip(0, "1c20e00.pwm", simple)
	}
	for name, build := range map[string]func(*testing.T) rig{
		"Pi 4":                   channel(pi4, Config{}, fresh, off),
		"Pi 5":                   channel(pi5, Config{Channel: 2}, fresh, func(c *simulatedChip) { c.channels[2].enabled = false }),
		"Pi 5, unexported":       channel(pi5, Config{}, fresh, func(c *simulatedChip) { _ = c.unexport("0") }),
		"inverted by hardware":   channel(pi4, Config{Inverted: true}, fresh, off),
		"inverted by software":   channel(plain, Config{Inverted: true}, fresh, off),
		"polarity of a taken":    channel(pi4, Config{Inverted: true}, func(c *simulatedChannel) { c.state = state{40_000, 8_000, false, true} }, off),
		"another period's taken": channel(pi4, Config{}, func(c *simulatedChannel) { c.state = state{100_000, 70_000, true, true} }, off),
	} {
		t.Run(name, func(t *testing.T) { contract(t, build) })
	}
	for _, driver := range hwmonDrivers() {
		t.Run("hwmon "+driver.name, func(t *testing.T) {
			contract(t, func(t *testing.T) rig {
				k := newKernel()
				d := k.addHwmon(3, "cooling_fan", driver)
				h, err := openHwmon(k, HwmonConfig{Name: driver.name, TakeOver: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = h.Close() })
				return rig{h, k, d.sees, 1.0 / 510, d.spoil, 1}
			})
		})
	}
}
