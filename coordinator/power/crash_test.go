package power

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// goOn lets everything go on until nothing is left to do: the disk writes, the rail answers, the worker does as it is asked,
// and whoever owns the machine opens gates and grants starts again.
func (t *trial) goOn(writes int) (left int) {
	for range 80 {
		switch {
		case t.m == nil:
			return writes
		case len(t.writing) > 0:
			if writes == 0 {
				return 0
			}
			writes--
			t.toDisk()
		case t.unwritten:
			t.railAnswers()
		case t.ask.operation != "":
			t.accept(nil, false)
		case t.m.State() == StateQueued:
			t.grant()
		case t.m.State() == StateDraining && t.m.asked.proceed.IsZero():
			t.step(Proceed{})
		case t.phase == boot:
			t.pass(20 * time.Second)
			t.phase, t.agent = up, true
			t.speak()
		case t.phase == stopsOff:
			t.pass(5 * time.Second)
			t.finish()
		case t.phase == stopsReboot:
			t.restart()
		default:
			t.wait()
		}
	}
	return writes
}

// TestACrashAtEveryWrite kills the coordinator before and after each record reaches the disk, in a stop, a start, a restart
// and a forced cut, starts it again, and lets it go on: what was on disk ends once, what was not never happened. One crash
// of each may take its evidence with it (an announcement, the overlay's pulse): then the rail stays on, and a person is told.
func TestACrashAtEveryWrite(t *testing.T) {
	off := func(t *trial) {
		t.request(Stop{t.name()}, "")
		t.goOn(99)
	}
	for _, c := range []struct {
		name   string
		before func(*trial)
		ask    func(*trial)
		end    State
	}{
		{"stop", func(*trial) {}, func(t *trial) { t.request(Stop{t.name()}, "") }, StateOff},
		{"start", off, func(t *trial) { t.request(Start{t.name()}, "") }, StateReady},
		{"reboot", func(*trial) {}, func(t *trial) { t.request(Reboot{t.name()}, "") }, StateReady},
		{"forced cut", func(*trial) {}, func(t *trial) { t.request(Cut{t.name(), "it burns"}, "") }, StateOff},
		{"typed poweroff", func(*trial) {}, func(t *trial) { t.announce(AnnouncedPowerOff, stopsOff) }, StateOff},
	} {
		for _, sig := range []Signal{overlay, helper} {
			for _, late := range []bool{false, true} {
				side := map[bool]string{false: "before", true: "after"}[late]
				t.Run(c.name+" "+sig.Mechanism.String()+" "+side, func(t *testing.T) {
					crashes, blind := 0, 0
					for writes := range 20 {
						w := begun(wiredUp, sig, honest)
						c.before(w)
						from := w.m.State()
						w.trace = true
						c.ask(w)
						operation := w.m.Task().Operation
						left := w.goOn(writes)
						if left > 0 {
							break // there are no more writes
						}
						crashes++
						if late && len(w.writing) > 0 {
							w.toDisk()
						}
						w.kill()
						w.ask = asking{}
						w.start(2 * time.Second)
						w.goOn(99)
						if state := w.m.State(); (state == StateStuck || state == StateLost) && !late && w.rail {
							blind++
							continue
						}
						check(t, w, operation, writes > 0 || late, from, c.end)
					}
					if blind > 2 || blind > 0 && operationNeedsNone(c.name, sig) {
						t.Errorf("%d crashes end with the rail on", blind)
					}
					if crashes < 3 {
						t.Errorf("only %d writes", crashes)
					}
				})
			}
		}
	}
}

// operationNeedsNone says that no single write carries evidence that nothing shows again.
func operationNeedsNone(name string, sig Signal) bool {
	return name != "typed poweroff" && (name != "stop" || sig.Mechanism == MechanismHelper)
}

func check(t *testing.T, w *trial, operation string, begun bool, from, end State) {
	t.Helper()
	if w.wrong != "" {
		t.Fatalf("%s\n%s", w.wrong, tail(w.log, 40))
	}
	if !begun && operation != "" {
		end = from
	}
	if w.m.State() != end {
		t.Errorf("it ends %v, want %v\n%s", w.m.State(), end, tail(w.log, 40))
	}
	if len(w.open) > 0 || begun && operation != "" && !slices.Contains(w.over, operation) {
		t.Errorf("open %v, over %v\n%s", w.open, w.over, strings.Join(w.log, "\n"))
	}
}
