package screen

import (
	"strings"
	"testing"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// a node as a message of a watch has it.
func nodeAs(name, state string, live bool) *coordinatorv1.Node {
	n := &coordinatorv1.Node{
		Name: name, Rail: coordinatorv1.RailState_RAIL_STATE_ON, Presence: coordinatorv1.Presence_PRESENCE_LIVE,
		Power: &coordinatorv1.Power{State: stateOf(state), Explanation: state + ": why; what next"},
	}
	if !live {
		n.Presence = coordinatorv1.Presence_PRESENCE_UNREACHABLE
	}
	return n
}

func stateOf(name string) coordinatorv1.PowerState {
	return coordinatorv1.PowerState(coordinatorv1.PowerState_value["POWER_STATE_"+strings.ToUpper(name)])
}

// event makes one of "kind: message", or of "power STATE: message"; the subject is the message's first word, up to a colon,
// unless that is an operation.
func event(line string) *coordinatorv1.Event {
	kind, message, _ := strings.Cut(line, ": ")
	e := &coordinatorv1.Event{Message: message, OperationId: "op-1"}
	if rest, ok := strings.CutSuffix(kind, " alone"); ok {
		kind, e.OperationId = rest, ""
	}
	if state, ok := strings.CutPrefix(kind, "power "); ok {
		kind, e.PowerState = "power changed", stateOf(state)
	}
	e.Kind = coordinatorv1.EventKind(coordinatorv1.EventKind_value["EVENT_KIND_"+strings.ToUpper(strings.ReplaceAll(kind, " ", "_"))])
	if first := strings.FieldsFunc(message, func(r rune) bool { return r == ' ' || r == ':' || r == '\'' })[0]; !strings.HasPrefix(first, "op-") {
		e.Subject = first
	}
	return e
}

// TestLogSaysOnce shows a worker's ways as the coordinator tells them: an operation's milestone, the state it leads to, the
// rail that follows and the stream that ends are one line each, and what nobody asked for is never left out.
func TestLogSaysOnce(t *testing.T) {
	running := &coordinatorv1.Operation{Id: "op-1", Kind: coordinatorv1.OperationKind_OPERATION_KIND_POWER_OFF, State: coordinatorv1.OperationState_OPERATION_STATE_RUNNING,
		Steps: []*coordinatorv1.Step{{Node: "w1"}}}
	done := &coordinatorv1.Operation{Id: "op-1", Kind: running.GetKind(), State: coordinatorv1.OperationState_OPERATION_STATE_DONE, Steps: running.GetSteps()}
	type message struct {
		node      *coordinatorv1.Node
		operation *coordinatorv1.Operation
		events    []string
	}
	for _, c := range []struct {
		name     string
		messages []message
		want     []string
	}{
		{"a power-off", []message{
			{nodeAs("w1", "draining", true), running, []string{"operation: op-1 (power off) begins for alice: storm", "power draining: w1 is draining: to be stopped"}},
			{nodeAs("w1", "draining", true), nil, []string{"operation: w1: asked"}},
			{nodeAs("w1", "stopping", true), nil, []string{"shutdown announced alone: w1 announced that it powers off", "operation: w1: announced", "power stopping: w1 is stopping: it announced a power-off"}},
			{nodeAs("w1", "stopping", false), nil, []string{"presence changed alone: w1 is stale: it announced that it powers off"}},
			{nodeAs("w1", "proven", false), nil, []string{"operation: w1: done signal: overlay", "operation: w1: latched", "power proven: w1 is proven: the proof is on disk"}},
			{nodeAs("w1", "cutting", false), nil, []string{"operation: w1: cut: proof of done by the overlay", "power cutting: w1 is cutting: proof of done by the overlay"}},
			{nodeAs("w1", "cutting", false), nil, []string{"rail changed alone: w1's rail went off"}},
			{nodeAs("w1", "off", false), done, []string{"operation: w1: off: its rail is off", "power off alone: w1 is off: its rail is off", "operation: op-1 (power off) done: w1"}},
			{nodeAs("w1", "off", false), nil, []string{"presence changed alone: w1 is unreachable: its rail is off"}},
		}, []string{
			"op-1 power off w1 begins for alice: storm", "w1 asked", "w1 announced that it powers off", "w1 done signal: overlay", "w1 latched",
			"w1 cut: proof of done by the overlay", "w1 off: its rail is off", "op-1 power off w1 done",
		}},
		{"a start that waits", []message{
			{nodeAs("w1", "queued", false), nil, []string{"power queued: w1 is queued: to be started"}},
			{nodeAs("w1", "starting", false), nil, []string{"power starting: w1 is starting: the supply carries it"}},
			{nodeAs("w1", "starting", false), nil, []string{"operation: w1: rail on"}},
			{nodeAs("w1", "starting", false), nil, []string{"rail changed alone: w1's rail went on", "presence changed alone: w1 is unreachable: it boots"}},
			{nodeAs("w1", "ready", true), nil, []string{"rebooted alone: w1 restarted: its boot identifier is new", "presence changed alone: w1 is live", "operation: w1: ready", "power ready alone: w1 is ready: fresh sample"}},
		}, []string{"w1 is queued: to be started", "w1 rail on", "w1 ready"}},
		{"a start at once", []message{
			{nodeAs("w1", "starting", false), nil, []string{"power queued: w1 is queued: to be started", "power starting: w1 is starting: the supply carries it", "operation: w1: rail on"}},
		}, []string{"w1 rail on"}},
		{"no proof", []message{
			{nodeAs("w1", "stuck", false), nil, []string{"alarm raised alone: w1: stuck: no proof within 3m0s; its rail stays on", "power stuck alone: w1 is stuck: no proof within 3m0s"}},
		}, []string{"w1 alarm: stuck: no proof within 3m0s; its rail stays on"}},
		{"typed at a keyboard", []message{
			{nodeAs("w1", "stopping", true), nil, []string{"shutdown announced alone: w1 announced that it powers off", "power stopping alone: w1 is stopping: it announced a power-off"}},
			{nodeAs("w1", "halted", false), nil, []string{"power halted alone: w1 is halted: it has shut down and still has power"}},
			{nodeAs("w1", "cutting", false), nil, []string{"power cutting alone: w1 is cutting: proof of done by the overlay"}},
			{nodeAs("w1", "off", false), nil, []string{"rail changed alone: w1's rail went off", "power off alone: w1 is off: its rail is off"}},
		}, []string{"w1 announced that it powers off", "w1 is halted: it has shut down and still has power", "w1 is cutting: proof of done by the overlay", "w1 rail went off", "w1 is off: its rail is off"}},
		{"a rail that moves by itself", []message{
			{nodeAs("w1", "off", false), nil, []string{"operation: w1: off: its rail is off"}},
			{nodeAs("w1", "starting", false), nil, []string{"rail changed alone: w1's rail went on", "power starting alone: w1 is starting: its rail went on, and bramble did not do it"}},
		}, []string{"w1 off: its rail is off", "w1 rail went on", "w1 is starting: its rail went on, and bramble did not do it"}},
		{"lost", []message{
			{nodeAs("w1", "rebooting", false), nil, []string{"presence changed alone: w1 is stale: its stream ended", "power rebooting alone: w1 is rebooting: silent"}},
			{nodeAs("w1", "lost", false), nil, []string{"power lost alone: w1 is lost: not heard", "presence changed alone: w1 is unreachable: no route to host"}},
		}, []string{"w1 is stale: its stream ended", "w1 is rebooting: silent", "w1 is lost: not heard", "w1 is unreachable: no route to host"}},
		{"taken out", []message{
			{nodeAs("w1", "maintenance", true), nil, []string{"person alone: w1: alice: takes it out for maintenance: a new card", "power maintenance alone: w1 is maintenance: taken out by a person"}},
		}, []string{"w1 alice: takes it out for maintenance: a new card"}},
		{"first heard", []message{
			{nodeAs("w1", "ready", true), nil, []string{"presence changed alone: w1 is live", "power ready alone: w1 is ready: heard with a fresh sample"}},
		}, []string{"w1 is live"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Log
			l.Take(&coordinatorv1.WatchResponse{Case: &coordinatorv1.GetCaseResponse{}, Nodes: []*coordinatorv1.Node{nodeAs("w1", "ready", true)}}, time.Time{})
			var got []string
			for _, m := range c.messages {
				r := &coordinatorv1.WatchResponse{Nodes: []*coordinatorv1.Node{m.node}}
				if m.operation != nil {
					r.Operations = []*coordinatorv1.Operation{m.operation}
				}
				for _, line := range m.events {
					r.Events = append(r.Events, event(line))
				}
				for _, n := range l.Take(r, time.Time{}) {
					got = append(got, n.Subject+" "+n.What)
				}
			}
			if g, w := strings.Join(got, "\n"), strings.Join(c.want, "\n"); g != w {
				t.Errorf("said\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// After a stream broke, the log says what became of power and of operations in the meantime.
func TestLogCatchesUpWithPower(t *testing.T) {
	whole := func(operation string, nodes ...*coordinatorv1.Node) *coordinatorv1.WatchResponse {
		return &coordinatorv1.WatchResponse{Nodes: nodes, Case: &coordinatorv1.GetCaseResponse{Name: "pico5", Operations: []*coordinatorv1.Operation{{
			Id: operation, Kind: coordinatorv1.OperationKind_OPERATION_KIND_STOP_CASE, State: coordinatorv1.OperationState_OPERATION_STATE_RUNNING,
			Steps: []*coordinatorv1.Step{{Node: "w1", State: coordinatorv1.StepState_STEP_STATE_RUNNING}, {Node: "w2", State: coordinatorv1.StepState_STEP_STATE_WAITING}},
		}}}}
	}
	var l Log
	var got []string
	for _, m := range []*coordinatorv1.WatchResponse{
		whole("op-1", nodeAs("w1", "ready", true), nodeAs("w2", "stopping", true), nodeAs("w3", "ready", true)),
		whole("op-2", nodeAs("w1", "off", false), nodeAs("w2", "stuck", false), nodeAs("w3", "ready", false)),
	} {
		for _, n := range l.Take(m, time.Time{}) {
			got = append(got, n.Subject+" "+n.What)
		}
	}
	want := `pico5 nodes: 3 of 3 live: w2 stopping
op-1 case stop: running: 0 of 2 steps are over, now w1
w1 meanwhile: off: why; what next
w2 meanwhile: stuck: why; what next
w3 meanwhile: unreachable
op-2 meanwhile: case stop: running: 0 of 2 steps are over, now w1
op-1 meanwhile: ended; bramblectl operation op-1 says how`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("said\n%s\nwant\n%s", g, want)
	}
}

// Every state has a word, and only what a person must look at has a colour.
func TestEveryPowerState(t *testing.T) {
	urgent := map[string]style{"stuck": red, "fault": red, "lost": yellow, "unknown": yellow}
	for value, name := range coordinatorv1.PowerState_name {
		state := strings.ToLower(strings.TrimPrefix(name, "POWER_STATE_"))
		n := nodeAs("w1", state, true)
		got, want := powerOf(n), cell{text: state, style: urgent[state]}
		if value == 0 {
			want.text = "on"
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", state, got, want)
		}
		n.Master = true
		if got := powerOf(n); got.text != "on" {
			t.Errorf("%s: of the master %+v", state, got)
		}
		if usual := unusual(nodeAs("w1", state, true)).text == ""; usual != (state == "ready" || state == "unspecified" || state == "unknown" || state == "maintenance") {
			t.Errorf("%s: unusual is %v", state, !usual)
		}
	}
}

// Each line of a list of nodes fits on a small screen, whatever the states.
func TestNodesFit(t *testing.T) {
	var nodes []*coordinatorv1.Node
	for _, name := range coordinatorv1.PowerState_name {
		nodes = append(nodes, nodeAs("worker-1", strings.ToLower(strings.TrimPrefix(name, "POWER_STATE_")), false))
	}
	for _, width := range []int{53, 71, 72, 80} {
		for line := range strings.Lines(Screen{Width: width}.Nodes(nodes)) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("%d columns: %d: %s", width, n, line)
			}
		}
	}
}

// What the worst is comes first, however many nodes there are.
func TestRollBeginsWithTheWorst(t *testing.T) {
	nodes := []*coordinatorv1.Node{nodeAs("a", "off", false), nodeAs("b", "lost", false), nodeAs("c", "ready", false), nodeAs("d", "fault", true), nodeAs("e", "ready", true)}
	nodes[3].Power.Fault = coordinatorv1.PowerFault_POWER_FAULT_NO_BOOT
	got := roll(nodes)
	if want := "2 of 5 live: d fault: no boot, b lost, c unreachable, a off"; got.text != want || got.style != red {
		t.Errorf("%+v, want %q in red", got, want)
	}
	if got := roll(nodes[:1]); got.text != "0 of 1 live: a off" || got.style != plain {
		t.Errorf("a node that is off is nothing to worry about: %+v", got)
	}
}

// A step that is through is told once, and only where its last milestone has not said so.
func TestProgressSaysOnce(t *testing.T) {
	step := func(state coordinatorv1.StepState, message string, milestones ...string) *coordinatorv1.Step {
		s := &coordinatorv1.Step{Node: "w1", State: state, Message: message}
		for i, name := range milestones {
			s.Milestones = append(s.Milestones, &coordinatorv1.Milestone{Name: name, AfterMilliseconds: uint64(90_000 * i)})
		}
		return s
	}
	var p Progress
	var got strings.Builder
	for _, s := range []*coordinatorv1.Step{
		step(coordinatorv1.StepState_STEP_STATE_WAITING, "its turn comes after w2"),
		step(coordinatorv1.StepState_STEP_STATE_RUNNING, "", "asked"),
		step(coordinatorv1.StepState_STEP_STATE_RUNNING, "stopping", "asked", "announced"),
		step(coordinatorv1.StepState_STEP_STATE_DONE, "off", "asked", "announced", "off"),
		step(coordinatorv1.StepState_STEP_STATE_DONE, "off", "asked", "announced", "off"),
	} {
		got.WriteString(p.Take(Screen{}, &coordinatorv1.Operation{Steps: []*coordinatorv1.Step{s}}))
	}
	want := "   +0.0 s  w1  asked\n  +90.0 s  w1  announced\n     +3 m  w1  off\n"
	if got.String() != want {
		t.Errorf("said\n%swant\n%s", got.String(), want)
	}
}
