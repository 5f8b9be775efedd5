package screen

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Notice is one line of a Log.
type Notice struct {
	// At is when it happened, by the wall clock.
	At time.Time
	// Subject is the node, fan or case that it happened to.
	Subject string
	// What happened, in one line.
	What  string
	style style
}

// Notice is a line: time, subject, what. Subjects are padded to width characters.
func (s Screen) Notice(n Notice, width int) string {
	subject := fmt.Sprintf("%-*s", width, Printable(n.Subject))
	return s.columns([][]cell{{{text: s.clock(n.At), style: dim}, {text: subject}, {text: n.What, style: n.style}}})
}

// A fan's duty is told when it moved by this much since it was last told.
const tellDuty = 0.05

// Log turns the messages of a watch into notices: every event that says something new, and besides what no event tells: a
// sensor that fails or recovers, a duty that moved by 5 %. When a stream starts again, it tells what changed in between. The
// zero value is ready. Not for use by several goroutines.
type Log struct {
	nodes      map[string]*coordinatorv1.Node
	fans       map[string]*coordinatorv1.Fan // as last told
	alarms     map[alarmKey]bool
	operations map[string]string // what those do that run
	milestones map[string]string // the last one of each node
	width      int
}

type alarmKey struct {
	kind            coordinatorv1.AlarmKind
	subject, sensor string
}

// SubjectWidth is how many characters the longest subject has that the log has seen.
func (l *Log) SubjectWidth() int { return l.width }

// Take is what a message tells, in order. now is the wall clock at its arrival.
func (l *Log) Take(m *coordinatorv1.WatchResponse, now time.Time) []Notice {
	opening := l.nodes == nil
	switch {
	case opening:
		l.remember(m)
		return l.open(m, now)
	case m.GetCase() != nil:
		return l.catchUp(m, now)
	}
	return l.follow(m, now)
}

// open says in a few lines how the case is.
func (l *Log) open(m *coordinatorv1.WatchResponse, now time.Time) []Notice {
	name := l.subject(m.GetCase().GetName())
	count := roll(m.GetNodes())
	if len(m.GetNodes()) > 0 {
		count.text = "nodes: " + count.text
	} else {
		count.text = "no node is configured"
	}
	told := []Notice{{At: now, Subject: name, What: count.text, style: count.style}}
	for _, f := range m.GetCase().GetFans() {
		is := summary(f)
		told = append(told, Notice{At: now, Subject: l.subject(f.GetName()), What: is.text, style: is.style})
	}
	for _, a := range m.GetCase().GetAlarms() {
		told = append(told, Notice{At: now, Subject: l.subject(a.GetSubject()),
			What: fmt.Sprintf("alarm for %s: %s", Duration(milliseconds(a.GetAgeMilliseconds())), about(a.GetSubject(), a.GetMessage())), style: red})
	}
	for _, o := range m.GetCase().GetOperations() {
		told = append(told, Notice{At: now, Subject: l.subject(o.GetId()), What: operationName(o) + ": " + standing(o)})
	}
	return told
}

func (l *Log) remember(m *coordinatorv1.WatchResponse) {
	l.nodes = map[string]*coordinatorv1.Node{}
	l.fans = map[string]*coordinatorv1.Fan{}
	l.alarms = map[alarmKey]bool{}
	l.operations = map[string]string{}
	l.milestones = map[string]string{}
	for _, o := range m.GetCase().GetOperations() {
		l.operations[l.subject(o.GetId())] = operationName(o)
	}
	for _, n := range m.GetNodes() {
		l.nodes[l.subject(n.GetName())] = n
	}
	for _, f := range m.GetCase().GetFans() {
		l.fans[l.subject(f.GetName())] = f
	}
	for _, a := range m.GetCase().GetAlarms() {
		l.alarms[alarmKey{a.GetKind(), a.GetSubject(), a.GetSensor()}] = true
	}
}

// subject notes how long it is.
func (l *Log) subject(name string) string {
	l.width = max(l.width, len([]rune(Printable(name))))
	return name
}

// catchUp compares the whole case with what was known before the stream broke: its events are lost.
func (l *Log) catchUp(m *coordinatorv1.WatchResponse, now time.Time) []Notice {
	before := *l
	l.remember(m)
	var told []Notice
	tell := func(subject, what string, style style) {
		told = append(told, Notice{At: now, Subject: subject, What: "meanwhile: " + what, style: style})
	}
	for _, n := range m.GetNodes() {
		if old := before.nodes[n.GetName()]; old == nil {
			tell(n.GetName(), "new in the case", plain)
		} else {
			missed(old, n, tell)
		}
	}
	for _, f := range m.GetCase().GetFans() {
		old := before.fans[f.GetName()]
		if old == nil || old.GetMode() != f.GetMode() || dutyMoved(old, f) {
			is := summary(f)
			tell(f.GetName(), is.text, is.style)
		} else {
			l.fans[f.GetName()] = old
		}
	}
	for _, a := range m.GetCase().GetAlarms() {
		if !before.alarms[alarmKey{a.GetKind(), a.GetSubject(), a.GetSensor()}] {
			tell(a.GetSubject(), "alarm: "+about(a.GetSubject(), a.GetMessage()), red)
		}
	}
	for _, o := range m.GetCase().GetOperations() {
		if before.operations[o.GetId()] == "" {
			tell(o.GetId(), operationName(o)+": "+standing(o), plain)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before.operations)) {
		if l.operations[id] == "" {
			tell(id, "ended; bramblectl operation "+id+" says how", plain)
		}
	}
	for _, gone := range l.ended(before.alarms) {
		tell(gone.subject, join(" ", "alarm over:", word(gone.kind, "ALARM_KIND_"), gone.sensor), plain)
	}
	return told
}

// ended are the alarms that are no more, in a stable order.
func (l *Log) ended(before map[alarmKey]bool) []alarmKey {
	var gone []alarmKey
	for key := range before {
		if !l.alarms[key] {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b alarmKey) int {
		return slices.Compare([]string{a.subject, a.kind.String(), a.sensor}, []string{b.subject, b.kind.String(), b.sensor})
	})
	return gone
}

// missed tells what events would have told.
func missed(old, n *coordinatorv1.Node, tell func(subject, what string, style style)) {
	powered := told(n) && old.GetPower().GetState() != n.GetPower().GetState()
	if powered {
		tell(n.GetName(), join(": ", powerName(n.GetPower()), explanation(n)), powerStyle(n.GetPower().GetState()))
	}
	if old.GetPresence() != n.GetPresence() && !(powered && expected(n)) {
		text, style := presence(n.GetPresence())
		tell(n.GetName(), join(": ", text, n.GetPresenceReason()), style)
	}
	if old.GetBootId() != n.GetBootId() && n.GetBootId() != "" {
		tell(n.GetName(), "restarted", plain)
	}
	if old.GetRail() != n.GetRail() && !powered {
		tell(n.GetName(), "rail "+rail(n.GetRail()), plain)
	}
	if is := flags(n); is.text != flags(old).text {
		tell(n.GetName(), "flags: "+is.text, is.style)
	}
	quiet(old, n, tell)
}

// quiet tells what no event tells.
func quiet(old, n *coordinatorv1.Node, tell func(subject, what string, style style)) {
	if old.GetMaintenance() != n.GetMaintenance() && n.GetPower().GetState() == coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED {
		what := "is in maintenance"
		if old.GetMaintenance() {
			what = "is no longer in maintenance"
		}
		tell(n.GetName(), what, plain)
	}
	failing := map[string]string{}
	for _, m := range old.GetMeasurements() {
		failing[m.GetSensor()] = m.GetError()
	}
	for _, m := range n.GetMeasurements() {
		was, known := failing[m.GetSensor()]
		switch {
		case m.GetError() != "" && m.GetError() != was:
			tell(n.GetName(), fmt.Sprintf("sensor %s failed: %s", m.GetSensor(), m.GetError()), yellow)
		case m.GetError() == "" && known && was != "":
			text, _ := value(m)
			tell(n.GetName(), fmt.Sprintf("sensor %s reads again: %s", m.GetSensor(), text), plain)
		}
	}
}

// follow tells the events of a message and what else changed in it.
func (l *Log) follow(m *coordinatorv1.WatchResponse, now time.Time) []Notice {
	var told []Notice
	said := hear(m)
	for _, o := range m.GetOperations() {
		l.operations[o.GetId()] = operationName(o)
	}
	for i, e := range m.GetEvents() {
		if name := milestone(e); name != "" {
			l.milestones[e.GetSubject()] = name
		}
		if !said.again(m, i, l.milestones[e.GetSubject()]) {
			at := now.Add(-milliseconds(e.GetAgeMilliseconds()))
			told = append(told, Notice{At: at, Subject: l.subject(eventSubject(e)), What: named(eventLine(e), e, l.operations[e.GetOperationId()]), style: eventStyle(e)})
		}
		switch key := (alarmKey{e.GetAlarm(), e.GetSubject(), e.GetSensor()}); e.GetKind() {
		case coordinatorv1.EventKind_EVENT_KIND_ALARM_RAISED:
			l.alarms[key] = true
		case coordinatorv1.EventKind_EVENT_KIND_ALARM_CLEARED:
			delete(l.alarms, key)
		}
	}
	tell := func(subject, what string, style style) {
		told = append(told, Notice{At: now, Subject: l.subject(subject), What: what, style: style})
	}
	for _, o := range m.GetOperations() {
		if o.GetState() != coordinatorv1.OperationState_OPERATION_STATE_RUNNING {
			delete(l.operations, o.GetId())
		}
	}
	for _, n := range m.GetNodes() {
		quiet(l.nodes[n.GetName()], n, tell)
		l.nodes[n.GetName()] = n
	}
	for _, f := range m.GetFans() {
		if old := l.fans[f.GetName()]; old == nil || dutyMoved(old, f) {
			is := summary(f)
			tell(f.GetName(), is.text, is.style)
			l.fans[f.GetName()] = f
		}
	}
	return told
}

// dutyMoved is also true where the fan comes to a stop or to full, or leaves them.
func dutyMoved(old, f *coordinatorv1.Fan) bool {
	was, is := old.GetDutyFraction(), f.GetDutyFraction()
	edge := func(duty float64) bool { return duty <= 0 || duty >= 1 }
	const rounding = 1e-9
	return math.Abs(is-was) >= tellDuty-rounding || is != was && (edge(is) || edge(was))
}
