package screen

import (
	"fmt"
	"strings"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Events is a line for each, oldest first. Subjects are padded to the longest so far, which is kept in width.
func (s Screen) Events(all []*coordinatorv1.Event, width *int) string {
	if len(all) == 0 {
		return "nothing is remembered\n"
	}
	for _, e := range all {
		*width = max(*width, len([]rune(Printable(eventSubject(e)))))
	}
	rows := make([][]cell, len(all))
	for i, e := range all {
		at := s.Now.Add(-milliseconds(e.GetAgeMilliseconds()))
		subject := fmt.Sprintf("%-*s", *width, orNone(Printable(eventSubject(e))))
		rows[i] = []cell{{text: s.clock(at), style: dim}, {text: subject}, {text: eventLine(e), style: eventStyle(e)}}
	}
	return s.columns(rows)
}

// eventSubject is the node or fan it happened to, or the operation as a whole.
func eventSubject(e *coordinatorv1.Event) string {
	if e.GetSubject() == "" {
		return e.GetOperationId()
	}
	return e.GetSubject()
}

// eventLine makes sure that an alarm reads as one.
func eventLine(e *coordinatorv1.Event) string {
	message := about(eventSubject(e), e.GetMessage())
	switch {
	case e.GetKind() == coordinatorv1.EventKind_EVENT_KIND_ALARM_RAISED:
		return "alarm: " + message
	case e.GetKind() == coordinatorv1.EventKind_EVENT_KIND_ALARM_CLEARED:
		return "alarm over: " + message
	case message == "":
		return join(" ", word(e.GetKind(), "EVENT_KIND_"), flagWord(e.GetFlag()))
	}
	if kind, rest, ok := kindOf(e); ok {
		return kind + " " + rest
	}
	return message
}

// kindOf splits what is said of an operation as a whole: "op-1 (power off) begins for root".
func kindOf(e *coordinatorv1.Event) (kind, rest string, ok bool) {
	if e.GetSubject() != "" {
		return "", "", false
	}
	kind, rest, ok = strings.Cut(about(e.GetOperationId(), e.GetMessage()), ") ")
	return strings.TrimPrefix(kind, "("), rest, ok && strings.HasPrefix(kind, "(")
}

// named is the line of an event with the operation's whole name in it, which says whom it is about.
func named(line string, e *coordinatorv1.Event, name string) string {
	kind, rest, ok := kindOf(e)
	if !ok || name == "" {
		return line
	}
	return name + " " + strings.TrimSuffix(rest, ":"+strings.TrimPrefix(name, kind))
}

func flagWord(f agentv1.Flag) string {
	if f == agentv1.Flag_FLAG_UNSPECIFIED {
		return ""
	}
	return flagName(f)
}

func eventStyle(e *coordinatorv1.Event) style {
	switch e.GetKind() {
	case coordinatorv1.EventKind_EVENT_KIND_ALARM_RAISED:
		return red
	case coordinatorv1.EventKind_EVENT_KIND_FLAG_RAISED:
		return yellow
	case coordinatorv1.EventKind_EVENT_KIND_POWER_CHANGED:
		return powerStyle(e.GetPowerState())
	}
	return plain
}

// The names under which tidings keeps what is no milestone.
const (
	saidShutdown = "shutdown announced"
	saidPerson   = "a person"
	saidLive     = "live"
	saidAlarm    = "alarm"
)

// tidings are what the events of one message say of each subject. Several of them are often one thing seen from several
// sides: a milestone of an operation, the state it leads to, the rail that follows, the stream that ends.
type tidings struct {
	said map[string]map[string]bool
	last map[string]int // the newest change of a node's power
}

func hear(m *coordinatorv1.WatchResponse) tidings {
	t := tidings{said: map[string]map[string]bool{}, last: map[string]int{}}
	for i, e := range m.GetEvents() {
		said := t.said[e.GetSubject()]
		if said == nil {
			said = map[string]bool{}
			t.said[e.GetSubject()] = said
		}
		switch e.GetKind() {
		case coordinatorv1.EventKind_EVENT_KIND_OPERATION:
			said[milestone(e)] = true
		case coordinatorv1.EventKind_EVENT_KIND_SHUTDOWN_ANNOUNCED:
			said[saidShutdown] = true
		case coordinatorv1.EventKind_EVENT_KIND_PERSON:
			said[saidPerson] = true
		case coordinatorv1.EventKind_EVENT_KIND_PRESENCE_CHANGED:
			said[saidLive] = said[saidLive] || isLive(m, e.GetSubject())
		case coordinatorv1.EventKind_EVENT_KIND_ALARM_RAISED:
			said[saidAlarm] = true
		case coordinatorv1.EventKind_EVENT_KIND_POWER_CHANGED:
			t.last[e.GetSubject()] = i
		}
	}
	return t
}

// milestone is the name of the milestone that an event is; empty where it is none.
func milestone(e *coordinatorv1.Event) string {
	if e.GetKind() != coordinatorv1.EventKind_EVENT_KIND_OPERATION || e.GetSubject() == "" {
		return ""
	}
	name, _, _ := strings.Cut(about(e.GetSubject(), e.GetMessage()), ": ")
	return name
}

func node(m *coordinatorv1.WatchResponse, name string) *coordinatorv1.Node {
	for _, n := range m.GetNodes() {
		if n.GetName() == name {
			return n
		}
	}
	return nil
}

func isLive(m *coordinatorv1.WatchResponse, name string) bool {
	return node(m, name).GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE
}

// expected reports whether a node is silent because of what its power does.
func expected(n *coordinatorv1.Node) bool {
	return n.GetPresence() != coordinatorv1.Presence_PRESENCE_LIVE && accounted(n)
}

// again reports whether the event at i of a message says only what another says too. milestone is the last one of its node.
func (t tidings) again(m *coordinatorv1.WatchResponse, i int, milestone string) bool {
	e := m.GetEvents()[i]
	said := t.said[e.GetSubject()]
	switch e.GetKind() {
	case coordinatorv1.EventKind_EVENT_KIND_OPERATION:
		return milestone == "announced" && said[saidShutdown]
	case coordinatorv1.EventKind_EVENT_KIND_RAIL_CHANGED:
		return milestone == "cut" || milestone == "rail on" // which it follows
	case coordinatorv1.EventKind_EVENT_KIND_REBOOTED:
		return said["ready"]
	case coordinatorv1.EventKind_EVENT_KIND_PRESENCE_CHANGED:
		return said["ready"] || expected(node(m, e.GetSubject()))
	case coordinatorv1.EventKind_EVENT_KIND_POWER_CHANGED:
		return i < t.last[e.GetSubject()] || powerSaid(e, said)
	}
	return false
}

// powerSaid reports whether a change of a node's power follows from what else is said of it, now or right after.
func powerSaid(e *coordinatorv1.Event, said map[string]bool) bool {
	switch e.GetPowerState() {
	case coordinatorv1.PowerState_POWER_STATE_DRAINING, coordinatorv1.PowerState_POWER_STATE_STARTING:
		return e.GetOperationId() != "" // the milestone follows, or the end of the operation
	case coordinatorv1.PowerState_POWER_STATE_STOPPING, coordinatorv1.PowerState_POWER_STATE_REBOOTING:
		return said["announced"] || said["accepted"] || said[saidShutdown]
	case coordinatorv1.PowerState_POWER_STATE_PROVEN:
		return said["latched"]
	case coordinatorv1.PowerState_POWER_STATE_CUTTING:
		return said["cut"]
	case coordinatorv1.PowerState_POWER_STATE_OFF:
		return said["off"]
	case coordinatorv1.PowerState_POWER_STATE_READY:
		return said["ready"] || said[saidLive]
	case coordinatorv1.PowerState_POWER_STATE_MAINTENANCE, coordinatorv1.PowerState_POWER_STATE_UNKNOWN:
		return said[saidPerson]
	case coordinatorv1.PowerState_POWER_STATE_STUCK, coordinatorv1.PowerState_POWER_STATE_FAULT:
		return said[saidAlarm]
	}
	return false
}
