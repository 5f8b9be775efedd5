package fan_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

func TestTheZeroConfigIsValid(t *testing.T) {
	if err := (fan.Config{}).Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	cfg := fan.Config{
		MinimumDuty: 0.01, MayStop: true, StopBelowCelsius: 5, RestartBelowCelsius: 4, StartDuty: 1.5,
		StartFor: 3 * time.Second, SlewUp: -1, SlewDown: 2, Gain: math.NaN(), IntegralTime: time.Second,
		FilterTime: time.Hour, DerivativeTime: -1, DerivativeFilter: 0.5, FeedForwardTime: time.Hour,
		DeadBandCelsius: 9, Resolution: 0.5, HoldTime: time.Hour, InputTimeout: 2 * time.Second,
		Schedule: fan.Schedule{{0.2, 50}, {0.2, 0}},
		Curve:    fan.Curve{{0, 0}, {0.5, 3000}, {1, 2000}},
	}
	want := strings.Split(strings.TrimSpace(`
MinimumDuty: 0.01: must be 0.05 to 1
RestartBelowCelsius: 4: must be at least 3 less than StopBelowCelsius, which is 5
StartDuty: 1.5: must be 0.05 to 1
StartFor: 3s: must be 0s to 2s
SlewUp: -1: must be 0.001 to 1
SlewDown: 2: must be 0.0005 to 1
Gain: NaN: must be 0.01 to 20
Schedule[1].Value: 0: must be 0.1 to 1000
Schedule[1].Duty: 0.2: must be more than the point before it, 0.2
IntegralTime: 1s: must be 5s to 1h0m0s
FilterTime: 1h0m0s: must be 100ms to 1m0s
DerivativeTime: -1ns: must be 0s to 1m0s
DerivativeFilter: 0.5: must be 1 to 100
FeedForwardTime: 1h0m0s: must be 0s to 1m0s
DeadBandCelsius: 9: must be 0 to 5
Resolution: 0.5: must be 0.001 to 0.1
HoldTime: 1h0m0s: must be 0s to 5m0s
InputTimeout: 2s: must be at least three times SampleInterval, which is 1s
Curve[2].Value: 2000: must not be less than the point before it, 3000`), "\n")
	err := cfg.Validate()
	if got := strings.Split(err.Error(), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	fault, ok := errors.AsType[*fan.Fault](err)
	if !ok || fault.Field != "MinimumDuty" || fault.Value != "0.01" || fault.Allowed != "must be 0.05 to 1" {
		t.Errorf("the first fault is %+v", fault)
	}
}

func TestOtherFaults(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  fan.Config
		want string
	}{
		"a curve of one point":    {fan.Config{Curve: fan.Curve{{1, 5000}}}, "Curve: 1 points: must have 2 to 64"},
		"a schedule too long":     {fan.Config{Schedule: make(fan.Schedule, 65)}, "Schedule: 65 points: must have 1 to 64"},
		"a stop without a gap":    {fan.Config{StopBelowCelsius: 2}, "StopBelowCelsius: 2: must be 3 to 60"},
		"a slow sample":           {fan.Config{SampleInterval: time.Minute, InputTimeout: time.Minute}, "SampleInterval: 1m0s: must be 10ms to 5s\nInputTimeout: 1m0s: must be at least three times SampleInterval, which is 1m0s"},
		"a duty that is infinite": {fan.Config{MinimumDuty: math.Inf(1)}, "MinimumDuty: +Inf: must be 0.05 to 1"},
	} {
		if err := c.cfg.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestNewKeepsItsOwnCurves(t *testing.T) {
	curve := fan.DefaultCurve()
	b := newBench(t, fan.Config{Curve: curve}, worker("a", 40))
	for i := range curve {
		curve[i].Value = 1e5
	}
	b.rpm = func(duty float64) float64 { return fan.DefaultCurve().Expected(duty) }
	if d := b.run(time.Minute).Decision; d.Stalled {
		t.Fatalf("the caller's later change was seen: %v", d)
	}
}
