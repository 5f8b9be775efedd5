package gpio

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/host/tach"
)

// bubbleClock stands for CLOCK_MONOTONIC in a bubble, whose time begins with the year 2000.
func bubbleClock() time.Duration {
	return time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) + time.Hour
}

// fan is a Tach that runs against a simulated kernel until its test ends.
func fan(t *testing.T, k *simulatedKernel, config TachConfig) *Tach {
	t.Helper()
	f, err := NewTach(config)
	if err != nil {
		t.Fatal(err)
	}
	f.machine, f.monotonic = machine{k}, bubbleClock
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := f.RPM(); err == nil {
			t.Error("a reading after Run has returned")
		}
		for name, chip := range k.devices {
			if len(chip.watcher) > 0 {
				t.Errorf("Run has returned and still holds a line of %s", name)
			}
		}
	})
	synctest.Wait()
	return f
}

// turn lets GPIO17 fall at a steady rate for a while.
func turn(k *simulatedKernel, hertz int, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Second / time.Duration(hertz))
		k.fall("gpiochip0", 17)
	}
	synctest.Wait()
}

func wantRPM(t *testing.T, f *Tach, want float64) {
	t.Helper()
	if rpm, err := f.RPM(); err != nil || math.Abs(rpm-want) > want/100 {
		t.Errorf("%.1f rpm, %v; want %.0f", rpm, err, want)
	}
}

func TestTachReadsAFan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		f := fan(t, k, TachConfig{Line: Line{"pinctrl-bcm2711", 17}, Name: "front"})
		k.wantRequests(t, "request gpiochip0/17 bramble/front")
		wantRPM(t, f, 0)
		turn(k, 160, 2*time.Second)
		wantRPM(t, f, 4800)
		for range 20 { // the queue overflows
			time.Sleep(time.Second / 160)
		}
		k.lose("gpiochip0", 17, 20)
		turn(k, 160, 100*time.Millisecond)
		wantRPM(t, f, 4800)
		time.Sleep(time.Second)
		wantRPM(t, f, 0)
	})
}

func TestTachBeforeRun(t *testing.T) {
	f, err := NewTach(TachConfig{Line: Line{Offset: 17}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RPM(); err == nil || !strings.Contains(err.Error(), "not watched yet") {
		t.Errorf("error %v", err)
	}
}

func TestConsumerFitsTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		fan(t, k, TachConfig{Line: Line{Offset: 17}, Name: "the-fan-in-the-very-back-of-the-case"})
		k.wantRequests(t, "request gpiochip0/17 bramble/the-fan-in-the-very-bac")
	})
}

// A storm is switched off within a tenth of a second and never read as a speed; the wire gets
// another chance every RetryAfter, and works again when it has calmed.
func TestStormSwitchesTheEdgesOffAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		f := fan(t, k, TachConfig{Line: Line{Offset: 17}})
		turn(k, 160, 2*time.Second)
		turn(k, 25_000, 100*time.Millisecond)
		k.wantRequests(t, "request gpiochip0/17 bramble/tach", "release gpiochip0/17")
		_, err := f.RPM()
		noise, ok := errors.AsType[*tach.NoiseError](err)
		if !ok || noise.Edges < 2000 {
			t.Fatalf("error %v", err)
		}
		for _, part := range []string{"tach header/17", "next try in 30s", "10 kOhm"} {
			if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
				t.Errorf("no %q in %q", part, err)
			}
		}

		turn(k, 25_000, 28*time.Second)
		k.wantRequests(t, "request gpiochip0/17 bramble/tach", "release gpiochip0/17")
		turn(k, 25_000, 3*time.Second)
		if _, err := f.RPM(); err == nil {
			t.Fatal("a second storm reads as a speed")
		}
		k.wantRequests(t, "request gpiochip0/17 bramble/tach", "release gpiochip0/17",
			"request gpiochip0/17 bramble/tach", "release gpiochip0/17")

		turn(k, 100, 32*time.Second)
		wantRPM(t, f, 3000)
		turn(k, 25_000, 50*time.Millisecond) // too short to be a storm
		turn(k, 100, 2*time.Second)
		wantRPM(t, f, 3000)
	})
}

// Edges come faster than Run is scheduled: the handler must neither wait for it nor leave a
// second storm behind.
func TestStormOutrunsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		f := fan(t, k, TachConfig{Line: Line{Offset: 17}})
		for range 3000 {
			k.fall("gpiochip0", 17)
		}
		synctest.Wait()
		turn(k, 100, 32*time.Second)
		wantRPM(t, f, 3000)
		k.wantRequests(t, "request gpiochip0/17 bramble/tach", "release gpiochip0/17", "request gpiochip0/17 bramble/tach")
	})
}

// Below a storm the line stays on; the reading alone is refused.
func TestImpossibleSpeedKeepsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		f := fan(t, k, TachConfig{Line: Line{Offset: 17}, Fan: tach.Config{MaximumRPM: 6000}})
		turn(k, 1000, 2*time.Second)
		if _, err := f.RPM(); err == nil {
			t.Fatal("a fan of at most 6,000 rpm reads 30,000")
		}
		turn(k, 100, 2*time.Second)
		wantRPM(t, f, 3000)
		k.wantRequests(t, "request gpiochip0/17 bramble/tach")
	})
}

func TestBusyTachIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		k.devices["gpiochip0"].held = map[int]string{17: "pwm-fan"}
		f := fan(t, k, TachConfig{Line: Line{Offset: 17}, RetryAfter: 5 * time.Second})
		_, err := f.RPM()
		if busy, ok := errors.AsType[*BusyError](err); !ok || busy.Holder != "pwm-fan" {
			t.Fatalf("error %v", err)
		}
		k.mu.Lock()
		delete(k.devices["gpiochip0"].held, 17)
		k.mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		turn(k, 100, time.Second)
		wantRPM(t, f, 3000)
	})
}

func TestRunEndsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := header()
		delete(k.devices, "gpiochip0")
		f := fan(t, k, TachConfig{Line: Line{Offset: 17}})
		if _, err := f.RPM(); !errors.Is(err, ErrNotFound) {
			t.Errorf("error %v", err)
		}
	}) // the bubble ends only when Run has
}

func TestTachConfigReportsEveryFault(t *testing.T) {
	_, err := NewTach(TachConfig{Line: Line{Offset: -3}, RetryAfter: time.Millisecond, Fan: tach.Config{PulsesPerRevolution: -1}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"line offset: -3", "retry after: 1ms", "pulses per revolution: -1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %q", part, err)
		}
	}
}

func TestEdgesAllocateNothing(t *testing.T) {
	f, err := NewTach(TachConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f.fail(nil)
	var e edge
	if n := testing.AllocsPerRun(3000, func() {
		e.sequence++
		e.at += 6 * time.Millisecond
		f.edge(e)
	}); n != 0 {
		t.Errorf("%v allocations per edge", n)
	}
}
