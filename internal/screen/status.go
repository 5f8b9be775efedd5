package screen

import (
	"fmt"
	"slices"
	"strings"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// statusLines is how long Status gets at most, so that it stays on a small screen.
const statusLines = 19

// Status sums the case up: how many nodes are heard, the hottest, the flags, the fans, and what to do about what is wrong.
func (s Screen) Status(c *coordinatorv1.GetCaseResponse, nodes []*coordinatorv1.Node) string {
	rows := [][]cell{
		{{text: "case"}, {text: orNone(c.GetName()), style: bold}},
		row("coordinator", fmt.Sprintf("%s, up %s", orNone(c.GetVersion()), Duration(milliseconds(c.GetUptimeMilliseconds())))),
		{{text: "nodes"}, roll(nodes)},
	}
	crowded := s.narrow() && len(c.GetAlarms()) > 0 // then what is well can wait
	for _, calm := range [][]cell{{{text: "nearest limit"}, hottest(nodes)}, {{text: "flags"}, raised(nodes)}} {
		if !crowded || calm[1].style != plain {
			rows = append(rows, calm)
		}
	}
	for i, f := range c.GetFans() {
		if i == 3 && len(c.GetFans()) > 4 {
			rows = append(rows, row("fans", fmt.Sprintf("and %d more: bramblectl fan", len(c.GetFans())-i)))
			break
		}
		rows = append(rows, []cell{{text: "fan " + f.GetName()}, summary(f)})
	}
	if len(c.GetFans()) == 0 {
		rows = append(rows, row("fan", none))
	}
	rows = append(rows, s.power(c)...)
	if len(c.GetAlarms()) == 0 {
		return s.columns(append(rows, row("alarms", "none")))
	}
	rows = append(rows, []cell{{text: "alarms"}, {text: fmt.Sprint(len(c.GetAlarms())), style: red}})
	text := s.columns(rows)
	return text + s.alarms(c.GetAlarms(), statusLines-strings.Count(text, "\n"))
}

// alarms are as many as fit, those first that may cost a board or a file system, each with how long it has lasted. Where
// they do not all fit, the last ones are cut to a line.
func (s Screen) alarms(all []*coordinatorv1.Alarm, lines int) string {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *coordinatorv1.Alarm) int { return urgency(a.GetKind()) - urgency(b.GetKind()) })
	for shown, whole := min(len(all), max(lines, 1)), len(all); ; whole-- {
		if whole == 0 {
			shown, whole = shown-1, 1
		}
		var rows [][]cell
		for i, a := range all[:shown] {
			rows = append(rows, s.alarm(a))
			if last := &rows[i][len(rows[i])-1]; i >= whole {
				last.text = clip(last.text, max(leastRoom, s.Width-alarmIndent))
			}
		}
		if rest := len(all) - shown; rest > 0 {
			rows = append(rows, row(fmt.Sprintf("  and %d more: bramblectl status -o json", rest)))
		} else if whole < shown {
			rows = append(rows, row("  in full: bramblectl status -o json"))
		}
		if text := s.columns(rows); shown <= 1 || strings.Count(text, "\n") <= lines {
			return text
		}
	}
}

// alarmIndent is what comes before an alarm's message, at most.
const alarmIndent = 24

// alarm is a row. Where there is little room its age is left out.
func (s Screen) alarm(a *coordinatorv1.Alarm) []cell {
	message := cell{text: about(a.GetSubject(), a.GetMessage())}
	if s.narrow() {
		return []cell{{text: " " + a.GetSubject(), style: red}, message}
	}
	return []cell{{text: "  " + Duration(milliseconds(a.GetAgeMilliseconds()))}, {text: a.GetSubject(), style: red}, message}
}

// urgency is 0 for what cannot wait for the morning.
func urgency(k coordinatorv1.AlarmKind) int {
	switch k {
	case coordinatorv1.AlarmKind_ALARM_KIND_OVER_LIMIT, coordinatorv1.AlarmKind_ALARM_KIND_FAN_STALLED,
		coordinatorv1.AlarmKind_ALARM_KIND_FAN_WRITE_FAILED, coordinatorv1.AlarmKind_ALARM_KIND_STUCK,
		coordinatorv1.AlarmKind_ALARM_KIND_POWER_FAULT, coordinatorv1.AlarmKind_ALARM_KIND_RAIL_MOVED,
		coordinatorv1.AlarmKind_ALARM_KIND_STORE:
		return 0
	}
	return 1
}

// roll counts the nodes that are heard, and names those that are not as usual, the worst first.
func roll(nodes []*coordinatorv1.Node) cell {
	if len(nodes) == 0 {
		return cell{text: "none is configured"}
	}
	heard := 0
	others := map[style][]string{}
	for _, n := range nodes {
		if n.GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE {
			heard++
		}
		if is := unusual(n); is.text != "" {
			others[is.style] = append(others[is.style], n.GetName()+" "+is.text)
		}
	}
	is := cell{text: fmt.Sprintf("%d of %d live", heard, len(nodes))}
	for _, level := range []style{red, yellow, plain} {
		if is.style == plain && len(others[level]) > 0 {
			is.style = level
		}
	}
	if all := slices.Concat(others[red], others[yellow], others[plain]); len(all) > 0 {
		is.text += ": " + few(all)
	}
	return is
}

// unusual is how a node is, where it is not up; empty where it is.
func unusual(n *coordinatorv1.Node) cell {
	live := n.GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE
	power := n.GetPower()
	switch power.GetState() {
	case coordinatorv1.PowerState_POWER_STATE_UNSPECIFIED, coordinatorv1.PowerState_POWER_STATE_READY,
		coordinatorv1.PowerState_POWER_STATE_MAINTENANCE, coordinatorv1.PowerState_POWER_STATE_UNKNOWN:
	default:
		if told(n) && (accounted(n) || live || power.GetState() != coordinatorv1.PowerState_POWER_STATE_REBOOTING) {
			return cell{text: powerName(power), style: powerStyle(power.GetState())}
		}
	}
	switch {
	case n.GetMaintenance():
		return cell{text: "in maintenance", style: yellow}
	case !live:
		is := state(n)
		is.style = yellow
		return is
	}
	return cell{}
}

// few names at most five things.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// hottest is the sensor nearest to its limit of all nodes that are still heard.
func hottest(nodes []*coordinatorv1.Node) cell {
	var node *coordinatorv1.Node
	var found *coordinatorv1.Measurement
	for _, n := range nodes {
		if n.GetPresence() == coordinatorv1.Presence_PRESENCE_UNREACHABLE || off(n) {
			continue
		}
		if m := worst(n); m != nil && (found == nil || nearer(m, found)) {
			node, found = n, m
		}
	}
	if found == nil {
		return cell{text: none}
	}
	where := fmt.Sprintf("%s %s: %s", node.GetName(), found.GetSensor(), celsius(degrees(found)))
	limit := float64(found.GetLimitCelsius())
	margin := marginOf(found)
	switch {
	case limit == 0:
		return cell{text: where + ", limit unknown"}
	case margin <= 0:
		return cell{text: fmt.Sprintf("%s, %s OVER its limit of %s", where, kelvin(-margin), celsius(limit)), style: red}
	}
	return cell{text: fmt.Sprintf("%s, %s under its limit of %s", where, kelvin(margin), celsius(limit)), style: marginStyle(margin)}
}

// raised names the nodes on which a flag is up now.
func raised(nodes []*coordinatorv1.Node) cell {
	var up []string
	known := false
	for _, n := range nodes {
		for _, f := range n.GetThrottling().GetFlags() {
			known = true
			if f.GetActive() && !off(n) {
				up = append(up, n.GetName()+" "+flagName(f.GetFlag()))
			}
		}
	}
	switch {
	case len(up) > 0:
		return cell{text: few(up), style: red}
	case known:
		return cell{text: "none raised now"}
	}
	return cell{text: none}
}
