package pwm

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// udev hands the files over 300 ms after the export.
func TestOpenWaitsForTheRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		chip.rights = 300 * time.Millisecond
		start := time.Now()
		openTest(t, k, Config{})
		if took := time.Since(start); took < chip.rights || took > chip.rights+20*time.Millisecond {
			t.Errorf("took %v", took)
		}
		k.wantTranscript(t, "export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1")
	})
}

func TestOpenGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		chip.rights = 2100 * time.Millisecond
		start := time.Now()
		_, err := open(t.Context(), k, Config{})
		if took := time.Since(start); !errors.Is(err, syscall.EACCES) || took != 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		openTest(t, k, Config{}) // the rights have come in the end
		k.wantTranscript(t, "export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1")
	})
}

func TestOpenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		chip.rights = -1
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := open(ctx, k, Config{})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.EACCES) || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// Another program exports the channel at the same moment: EBUSY, and then the files are there.
func TestOpenWhileAnotherExports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		chip.channels[0].owner = "another program"
		time.AfterFunc(50*time.Millisecond, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			chip.channels[0].owner = ""
			chip.appear(0)
		})
		openTest(t, k, Config{})
		if chip.channels[0].sees(false) != 1 {
			t.Errorf("the fan sees %v", chip.channels[0].sees(false))
		}
	})
}

// A read-only /sys does not get better by waiting.
func TestOpenOnAReadOnlySys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		running(chip, 0, state{40_000, 40_000, false, true})
		for _, node := range k.nodes {
			node.writable = func() error { return syscall.EROFS }
		}
		start := time.Now()
		_, err := open(t.Context(), k, Config{})
		if err == nil || !strings.Contains(err.Error(), "ReadWritePaths=") || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestSafeFromAnyState(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		from   *state // nil: not exported
		change func(*simulatedChip)
		want   []string
	}{
		{"never exported", Config{}, nil, nil,
			[]string{"export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"running", Config{}, &state{40_000, 8_000, false, true}, nil, []string{"pwm0/duty_cycle 40000"}},
		{"running at another period", Config{}, &state{100_000, 8_000, false, true}, nil, []string{"pwm0/duty_cycle 100000"}},
		{"off", Config{}, &state{40_000, 8_000, false, false}, nil, []string{"pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"off and of the other polarity", Config{Inverted: true}, &state{40_000, 8_000, false, false}, nil,
			[]string{"pwm0/polarity inversed", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"running with the other polarity", Config{Inverted: true}, &state{40_000, 8_000, false, true}, nil, []string{"pwm0/duty_cycle 0"}},
		{"a configuration out of its limits", Config{PeriodNanoseconds: -5, WritableWithin: -1}, nil, nil,
			[]string{"export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"rights that come late", Config{}, nil, func(c *simulatedChip) { c.rights = 1900 * time.Millisecond },
			[]string{"export 0", "pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
		{"rights to the duty alone", Config{}, &state{40_000, 8_000, false, true}, func(c *simulatedChip) {
			for path, node := range c.kernel.nodes {
				if !strings.HasSuffix(path, "duty_cycle") {
					node.writable = func() error { return syscall.EACCES }
				}
			}
		}, []string{"pwm0/duty_cycle 40000"}},
		{"nothing can be read", Config{}, &state{40_000, 8_000, false, true}, func(c *simulatedChip) {
			for path, node := range c.kernel.nodes {
				if strings.Contains(path, "/pwm0/") {
					node.read = func() (string, error) { return "", syscall.EIO }
				}
			}
		}, []string{"pwm0/period 40000", "pwm0/duty_cycle 40000", "pwm0/enable 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, chip := pi4()
				if c.from != nil {
					running(chip, 0, *c.from)
				}
				if c.change != nil {
					c.change(chip)
				}
				if err := makeFull(t.Context(), k, c.config); err != nil {
					t.Error(err)
				}
				k.wantTranscript(t, c.want...)
				if seen := chip.channels[0].sees(c.config.Inverted); seen != 1 {
					t.Errorf("the fan sees %v", seen)
				}
				if k.opened != 0 {
					t.Errorf("%d files are still open", k.opened)
				}
			})
		})
	}
}

// A duty alone does nothing on a channel that is off.
func TestSafeThatCannotSwitchOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		running(chip, 0, state{40_000, 8_000, false, false})
		for path, node := range k.nodes {
			if strings.HasSuffix(path, "enable") {
				node.writable = func() error { return syscall.EACCES }
			}
		}
		if err := makeFull(t.Context(), k, Config{}); !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "cannot set full speed") {
			t.Errorf("error %v", err)
		}
		k.wantTranscript(t, "pwm0/duty_cycle 40000")

		k.nodes[chip.dir+"/pwm0/enable"].writable = nil
		k.nodes[chip.dir+"/pwm0/enable"].write = func(string) error { return nil } // and does nothing
		if err := makeFull(t.Context(), k, Config{}); err == nil || !strings.Contains(err.Error(), "the channel is on: false") {
			t.Errorf("error %v", err)
		}
	})
}

// It says so when the fan is not at full speed, and does not wait with a context that has ended.
func TestSafeThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, chip := pi4()
		chip.channels[0].owner = "pwm-fan"
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		err := makeFull(ctx, k, Config{})
		if err == nil || !strings.Contains(err.Error(), "cannot set full speed") || !strings.Contains(err.Error(), "pwm-fan owns") ||
			len(err.Error()) > 400 {
			t.Errorf("error %v", err)
		}
		if time.Since(start) != 0 {
			t.Errorf("took %v", time.Since(start))
		}
		if err := makeFull(t.Context(), newKernel(), Config{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("without a chip: %v", err)
		}
	})
}
