package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestFirstMessageIsTheWholeState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.word = 0x50005
		b.failures["nvme/Composite"] = syscall.EIO
		r := start(t, b, func(c *Config) {
			c.Board = Board{Model: "Raspberry Pi 4 Model B\xff", LimitCelsius: 80}
			c.Uptime = func() time.Duration { return 90 * time.Second }
		})
		m := r.receive(r.watch(0))
		if m.GetSequence() != 1 || m.GetSample() != 1 || m.GetAgeMilliseconds() != 0 {
			t.Errorf("sequence %d, sample %d, age %d ms", m.GetSequence(), m.GetSample(), m.GetAgeMilliseconds())
		}
		n := m.GetNode()
		if n.GetName() != "worker-1" || n.GetBootId() != "boot-1" || n.GetUptimeMilliseconds() != 90_000 || n.GetAgentVersion() != "test" {
			t.Errorf("node: %v", n)
		}
		if model := n.GetBoard().GetModel(); model != "Raspberry Pi 4 Model B?" {
			t.Errorf("model %q", model)
		}
		if len(n.GetSensors()) != 4 || n.GetSensors()[0].GetId() != 1 || n.GetSensors()[0].GetLimitCelsius() != 90 {
			t.Errorf("sensors: %v", n.GetSensors())
		}
		if value, _, ok := celsius(m.GetReadings(), 1); !ok || value != 45 {
			t.Errorf("cpu-thermal: %v %v", value, ok)
		}
		if value, failure, ok := celsius(m.GetReadings(), 2); ok || failure != "input/output error" || value != 0 {
			t.Errorf("a failed sensor reads %v, %q, %v", value, failure, ok)
		}
		if hertz := m.GetReadings()[2].GetHertz(); hertz != 600_000_000 {
			t.Errorf("clock %d Hz", hertz)
		}
		if speed := m.GetReadings()[3].GetMegabitsPerSecond(); speed != 1000 {
			t.Errorf("link %d Mb/s", speed)
		}
		if m.GetThrottling().GetSource() != agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO_GENCMD {
			t.Errorf("source %v", m.GetThrottling().GetSource())
		}
		if f := m.GetThrottling().GetFlags(); len(f) != 4 || !f[0].GetActive() || f[0].GetCount() != 1 || f[1].GetActive() || f[1].GetCount() != 0 {
			t.Errorf("flags: %v", f)
		}
		if len(m.GetFlagEdges()) != 0 || len(m.GetShutdownNotices()) != 0 {
			t.Errorf("edges %v, notices %v", m.GetFlagEdges(), m.GetShutdownNotices())
		}
	})
}

func TestEveryCapabilityIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.failures["cpu-thermal"] = syscall.EIO                                                 // the disk's answers
		b.failures["cpu-clock"] = syscall.EIO                                                   // none other
		b.failures["eth0"] = fmt.Errorf("its driver tells no speed: %w", errors.ErrUnsupported) // none other
		r := start(t, b, func(c *Config) {
			c.Capabilities = []Capability{{Kind: LightCapability, State: Failed, Source: "/sys/class/leds/ACT", Detail: "permission denied"}}
		})
		n := r.node().GetNode()
		want := map[agentv1.CapabilityKind]agentv1.CapabilityState{
			agentv1.CapabilityKind_CAPABILITY_KIND_TEMPERATURE:     agentv1.CapabilityState_CAPABILITY_STATE_AVAILABLE,
			agentv1.CapabilityKind_CAPABILITY_KIND_THROTTLING:      agentv1.CapabilityState_CAPABILITY_STATE_AVAILABLE,
			agentv1.CapabilityKind_CAPABILITY_KIND_CPU_CLOCK:       agentv1.CapabilityState_CAPABILITY_STATE_FAILED,
			agentv1.CapabilityKind_CAPABILITY_KIND_LINK_SPEED:      agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED,
			agentv1.CapabilityKind_CAPABILITY_KIND_LIGHT:           agentv1.CapabilityState_CAPABILITY_STATE_FAILED,
			agentv1.CapabilityKind_CAPABILITY_KIND_SHUTDOWN_NOTICE: agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED,
			agentv1.CapabilityKind_CAPABILITY_KIND_POWER_OFF:       agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED,
			agentv1.CapabilityKind_CAPABILITY_KIND_DONE_SIGNAL:     agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED,
		}
		if len(n.GetCapabilities()) != len(want) {
			t.Errorf("%d capabilities, want one of each of %d kinds", len(n.GetCapabilities()), len(want))
		}
		for _, c := range n.GetCapabilities() {
			if c.GetState() != want[c.GetKind()] {
				t.Errorf("%v is %v", c.GetKind(), c.GetState())
			}
		}
	})
}

func TestHeartbeatsAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		time.Sleep(400 * time.Millisecond)
		stream := r.watch(0)
		if m := r.receive(stream); m.GetAgeMilliseconds() != 400 {
			t.Errorf("the first message is of a sample %d ms old, want 400", m.GetAgeMilliseconds())
		}
		begun := time.Now()
		for i := range uint64(10) {
			m := r.receive(stream)
			if m.GetSequence() != i+2 || m.GetSample() != i+2 || m.GetAgeMilliseconds() != 0 {
				t.Errorf("heartbeat: sequence %d, sample %d, age %d ms", m.GetSequence(), m.GetSample(), m.GetAgeMilliseconds())
			}
			if m.GetNode() != nil || len(m.GetReadings()) > 0 || m.GetThrottling() != nil || len(m.GetFlagEdges()) > 0 {
				t.Errorf("heartbeat %d carries something: %v", i, m)
			}
			if want := 600*time.Millisecond + time.Duration(i)*time.Second; time.Since(begun) != want {
				t.Errorf("heartbeat %d came after %v, want %v", i, time.Since(begun), want)
			}
		}
	})
}

func TestDeadBand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		fine, coarse := r.watch(0), r.watch(2)
		r.receive(fine)
		r.receive(coarse)
		for _, step := range []struct {
			celsius      float64
			failure      error
			fine, coarse bool
		}{
			{45.1, nil, true, false},
			{45.199, nil, false, false},
			{45.2, nil, true, false},
			{46.999, nil, true, false},
			{47, nil, false, true}, // 2 from what coarse was sent, 0.001 from what fine was
			{45.001, nil, true, false},
			{45, nil, false, true},
			{45, syscall.EAGAIN, true, true},
			{45, syscall.EAGAIN, false, false},
			{45, syscall.EIO, true, true},
			{45, nil, true, true},
			{math.NaN(), nil, true, true},
			{-274, nil, true, true},
			{45, nil, true, true},
		} {
			aligned()
			r.set(func(b *board) { b.values["cpu-thermal"], b.failures["cpu-thermal"] = step.celsius, step.failure })
			for band, want := range map[agentv1.AgentService_WatchClient]bool{fine: step.fine, coarse: step.coarse} {
				m := r.receive(band)
				if got := len(m.GetReadings()) > 0; got != want {
					t.Errorf("%v (%v): sent %v, want %v (coarse: %v)", step.celsius, step.failure, m.GetReadings(), want, band == coarse)
				}
				value, failure, ok := celsius(m.GetReadings(), 1)
				if want && step.failure == nil && step.celsius > 0 && (!ok || value != float32(step.celsius)) {
					t.Errorf("%v is sent as %v, %q", step.celsius, value, failure)
				}
				if want && (step.failure != nil || !(step.celsius > 0)) && (ok || failure == "") {
					t.Errorf("%v (%v) is sent as %v, %q", step.celsius, step.failure, value, failure)
				}
			}
		}
	})
}

func TestClockAndLinkAreSentWithAnyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		stream := r.watch(10)
		r.receive(stream)
		aligned()
		r.set(func(b *board) { b.values["cpu-clock"], b.values["eth0"] = 600_000_001, 0 })
		m := r.receive(stream)
		if len(m.GetReadings()) != 2 || m.GetReadings()[0].GetHertz() != 600_000_001 || m.GetReadings()[1].GetMegabitsPerSecond() != 0 {
			t.Errorf("readings: %v", m.GetReadings())
		}
		if _, set := m.GetReadings()[1].GetValue().(*agentv1.Reading_MegabitsPerSecond); !set {
			t.Errorf("no carrier is sent as %v", m.GetReadings()[1])
		}
	})
}

func TestBadRequestsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		for _, band := range []float32{-0.1, 10.01, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			err := drain(r.watch(band))
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "dead_band_celsius") {
				t.Errorf("dead band %v: %v", band, err)
			}
		}
		if n := len(r.agent.state.subs); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		r.receive(r.watch(10))
	})
}

func TestSensorsThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		stream := r.watch(0)
		r.receive(stream)
		aligned()
		r.set(func(b *board) { b.sensors = append([]Sensor{{Name: "room", Kind: OtherTemperature}}, b.sensors[2:]...) })
		m := r.receive(stream)
		if len(m.GetNode().GetSensors()) != 3 || len(m.GetReadings()) != 3 || m.GetNode().GetSensors()[0].GetName() != "room" {
			t.Fatalf("after a change of sensors: %v", m)
		}
		if m.GetSequence() != 2 || m.GetThrottling() != nil {
			t.Errorf("sequence %d, throttling %v", m.GetSequence(), m.GetThrottling())
		}
		aligned()
		r.set(func(b *board) { b.values["room"] = 21 })
		if m = r.receive(stream); m.GetNode() != nil || len(m.GetReadings()) != 1 || m.GetReadings()[0].GetSensorId() != 1 {
			t.Errorf("after it: %v", m)
		}
		aligned()
		r.set(func(b *board) { b.sensors = nil })
		if m = r.receive(stream); m.GetNode() == nil || len(m.GetNode().GetSensors()) != 0 || len(m.GetReadings()) != 0 {
			t.Errorf("with none left: %v", m)
		}
	})
}

func TestZeroConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), func(c *Config) { *c = Config{} })
		n := r.node()
		if n.GetNode().GetName() == "" || len(n.GetReadings()) != 0 {
			t.Errorf("node: %v", n)
		}
		if n.GetThrottling().GetSource() != agentv1.ThrottlingSource_THROTTLING_SOURCE_UNSPECIFIED || len(n.GetThrottling().GetFlags()) != 0 {
			t.Errorf("flags of a board without any: %v", n.GetThrottling())
		}
		for _, c := range n.GetNode().GetCapabilities() {
			if c.GetState() != agentv1.CapabilityState_CAPABILITY_STATE_UNSUPPORTED {
				t.Errorf("%v is %v", c.GetKind(), c.GetState())
			}
		}
	})
}

func TestGetNodeWaitsForTheFirstSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		a.stop()
		if _, err := a.snapshot(t.Context()); !errors.Is(err, errStopping) {
			t.Errorf("after Run: %v", err)
		}
	})
}

// TestNothingNewIsNoMessage wakes a subscriber that has been sent everything.
func TestNothingNewIsNoMessage(t *testing.T) {
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := a.state.subscribe()
	if err != nil {
		t.Fatal(err)
	}
	f := follower{deadBand: defaultDeadBand}
	if m, err := f.message(a, sub); m != nil || err != nil {
		t.Errorf("before the first sample: %v, %v", m, err)
	}
	a.sample()
	if m, err := f.message(a, sub); m.GetSequence() != 1 || m.GetNode() == nil || err != nil {
		t.Errorf("after it: %v, %v", m, err)
	}
	if m, err := f.message(a, sub); m != nil || err != nil {
		t.Errorf("again: %v, %v", m, err)
	}
	a.reader.close(t.Context())
}
