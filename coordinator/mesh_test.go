package coordinator_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
)

func TestFiveNodesAreLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		alive := 0
		tc.cfg.Alive = func() { alive++ }
		tc.run()
		tc.pass(10*time.Second + 500*time.Millisecond)
		for _, n := range tc.Nodes() {
			soc := n.Measurements[0]
			if n.Presence != core.PresenceLive || n.BootID != "boot-1" || soc.Reading.Celsius != 45 || soc.SetPointCelsius != 55 || soc.LimitCelsius != 80 {
				t.Errorf("%s: %s, %+v", n.Name, n.Presence, soc)
			}
			if n.Samples != 11 {
				t.Errorf("%s: %d samples in 10.5 s, want 11", n.Name, n.Samples)
			}
			if age := time.Since(n.SampledAt); age < 0 || age > time.Second {
				t.Errorf("%s: its sample is %s old", n.Name, age)
			}
		}
		if alive != 11 {
			t.Errorf("Alive was called %d times in 10.5 s, want 11", alive)
		}
		if got := tc.Alarms(); len(got) > 0 {
			t.Errorf("alarms: %v", got)
		}
		if f := tc.Fans()[0]; f.Mode != core.FanAutomatic || f.Duty >= 1 || *f.RPM < 5000 {
			t.Errorf("fan: %+v", f)
		}
		tc.stop()
		if tc.fan.safe != 1 {
			t.Errorf("Safe was called %d times, want 1", tc.fan.safe)
		}
	})
}

func TestSilenceIsStaleAndThenUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.run()
		tc.pass(10 * time.Second)
		tc.agent("worker-2").cut()
		last := tc.node("worker-2").SampledAt
		for _, step := range []struct {
			after time.Duration
			want  core.Presence
		}{
			{3*time.Second - 1, core.PresenceLive}, {3 * time.Second, core.PresenceStale},
			{15*time.Second - 1, core.PresenceStale}, {15 * time.Second, core.PresenceUnreachable},
		} {
			tc.pass(time.Until(last.Add(step.after)))
			if got := tc.node("worker-2").Presence; got != step.want {
				t.Errorf("%s after its last sample it is %s, want %s", step.after, got, step.want)
			}
		}
		if !tc.alarmed(core.AlarmNodeUnreachable) || tc.alarmed(core.AlarmNodeStale) {
			t.Errorf("alarms: %v", tc.Alarms())
		}
		if got := tc.node("worker-3").Presence; got != core.PresenceLive {
			t.Errorf("worker-3 is %s", got)
		}
	})
}

func TestFanIsFullBeforeFiveSecondsOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		tc.run()
		tc.pass(30 * time.Second)
		if tc.duty() > 0.9 {
			t.Fatalf("the fan is at %g after half a minute of cool boards", tc.duty())
		}
		worker := tc.agent("worker-1")
		worker.cut()
		tc.pass(time.Until(tc.node("worker-1").SampledAt.Add(5 * time.Second)))
		if tc.duty() != 1 || tc.fan.driven() != 1 {
			t.Errorf("after 5 s of silence the fan is at %g, its output at %g", tc.duty(), tc.fan.driven())
		}
		tc.pass(time.Minute)
		worker.mend()
		for tc.node("worker-1").Presence != core.PresenceLive {
			tc.pass(10 * time.Millisecond)
		}
		tc.pass(2 * time.Second)
		if d := tc.duty(); d >= 1 || d < 0.95 {
			t.Errorf("2 s after the first fresh sample the fan is at %g", d)
		}
	})
}

func TestDarkLinkIsDialledAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		tc.run()
		tc.pass(10 * time.Second)
		tc.agent("worker-1").cut()
		tc.pass(2 * time.Minute)
		tc.agent("worker-1").mend()
		mended := time.Now()
		for tc.node("worker-1").Presence != core.PresenceLive {
			tc.pass(10 * time.Millisecond)
		}
		// The rest of the dial under way, and one window.
		if took := time.Since(mended); took > 10*time.Second {
			t.Errorf("the node was heard %s after its cable was back", took)
		}
		if n := tc.node("worker-1"); n.Reboots != 0 {
			t.Errorf("%d reboots", n.Reboots)
		}
	})
}

func TestRedialsWaitAtRandomAndNeverLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, five()...)
		for _, a := range tc.agents {
			a.down()
		}
		tc.run()
		tc.pass(4 * time.Minute)
		var gaps []time.Duration
		for _, n := range tc.Nodes() {
			dials := tc.agent(n.Name).dials
			if dials[0] > 50*time.Millisecond || dials[1]-dials[0] > 250*time.Millisecond {
				t.Errorf("%s: first dials at %s", n.Name, dials[:2])
			}
			for i := range dials[1:] {
				gaps = append(gaps, dials[i+1]-dials[i])
			}
			if n.PresenceReason != "connection refused" {
				t.Errorf("%s: reason %q", n.Name, n.PresenceReason)
			}
		}
		slices.Sort(gaps)
		if most := gaps[len(gaps)-1]; most > 5*time.Second || most < 4*time.Second {
			t.Errorf("the longest of %d waits is %s, want up to 5 s", len(gaps), most)
		}
		if middle := gaps[len(gaps)/2]; middle < 1500*time.Millisecond || middle > 3500*time.Millisecond {
			t.Errorf("the middle of %d waits is %s, want about 2.5 s", len(gaps), middle)
		}
		if len(slices.Compact(gaps)) < len(gaps)*9/10 {
			t.Error("waits repeat: they are not random")
		}
	})
}

func TestRebootIsNotAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "master", "worker-1")
		tc.run()
		tc.pass(10 * time.Second)
		worker := tc.agent("worker-1")
		worker.restart(t, "boot-1")
		tc.pass(3 * time.Second)
		if n := tc.node("worker-1"); n.Reboots != 0 || n.Presence != core.PresenceLive {
			t.Errorf("after a new stream of the same boot: %s, %d reboots", n.Presence, n.Reboots)
		}
		worker.notices <- agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT
		tc.pass(time.Second)
		if n := tc.node("worker-1"); n.Announced != core.ShutdownReboot {
			t.Errorf("announced: %d", n.Announced)
		}
		worker.down()
		tc.pass(20 * time.Second)
		if got := tc.Alarms(); len(got) > 0 || tc.duty() < 0.5 {
			t.Errorf("while it reboots: alarms %v, fan %g", got, tc.duty())
		}
		worker.restart(t, "boot-2")
		tc.pass(8 * time.Second)
		if n := tc.node("worker-1"); n.Reboots != 1 || n.BootID != "boot-2" || n.Announced != core.ShutdownUnspecified {
			t.Errorf("after a new boot: %d reboots, boot %s", n.Reboots, n.BootID)
		}
	})
}

func TestMessageOutOfOrderRedoesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "worker-1")
		tc.run()
		tc.pass(10 * time.Second)
		before := len(tc.agent("worker-1").dials)
		tc.agent("worker-1").skip.Store(1)
		tc.pass(3 * time.Second)
		if dials := len(tc.agent("worker-1").dials); dials != before+1 {
			t.Errorf("%d new dials, want 1", dials-before)
		}
		if n := tc.node("worker-1"); n.Presence != core.PresenceLive {
			t.Errorf("it is %s: %s", n.Presence, n.PresenceReason)
		}
	})
}

func TestSensorFailureIsNotZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc := newCase(t, "worker-1")
		tc.run()
		tc.pass(20 * time.Second)
		tc.agent("worker-1").broken.Store(true)
		tc.pass(6 * time.Second)
		if m := tc.node("worker-1").Measurements[0]; m.Reading.Error != "input/output error" {
			t.Errorf("reading: %+v", m.Reading)
		}
		if !tc.alarmed(core.AlarmSensorFailed) || tc.duty() != 1 {
			t.Errorf("alarms %v, fan %g", tc.Alarms(), tc.duty())
		}
	})
}
