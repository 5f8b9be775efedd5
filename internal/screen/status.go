package screen

import (
	"fmt"
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
		{{text: "nearest limit"}, hottest(nodes)},
		{{text: "flags"}, raised(nodes)},
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

// alarms are as many as fit, each with how long it has lasted.
func (s Screen) alarms(all []*coordinatorv1.Alarm, lines int) string {
	for shown := min(len(all), lines); ; shown-- {
		var rows [][]cell
		for _, a := range all[:shown] {
			rows = append(rows, []cell{{text: "  " + Duration(milliseconds(a.GetAgeMilliseconds()))}, {text: a.GetSubject(), style: red}, {text: about(a.GetSubject(), a.GetMessage())}})
		}
		if rest := len(all) - shown; rest > 0 {
			rows = append(rows, row(fmt.Sprintf("  and %d more: bramblectl status -o json", rest)))
		}
		if text := s.columns(rows); shown <= 1 || strings.Count(text, "\n") <= lines {
			return text
		}
	}
}

// roll counts the nodes that are heard, and names the others and those in maintenance.
func roll(nodes []*coordinatorv1.Node) cell {
	if len(nodes) == 0 {
		return cell{text: "none is configured"}
	}
	heard := 0
	var others []string
	for _, n := range nodes {
		live := n.GetPresence() == coordinatorv1.Presence_PRESENCE_LIVE
		if live {
			heard++
		}
		switch {
		case n.GetMaintenance():
			others = append(others, n.GetName()+" in maintenance")
		case !live:
			others = append(others, n.GetName()+" "+state(n).text)
		}
	}
	text := fmt.Sprintf("%d of %d live", heard, len(nodes))
	if len(others) == 0 {
		return cell{text: text}
	}
	return cell{text: text + ": " + few(others), style: yellow}
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
		if n.GetPresence() == coordinatorv1.Presence_PRESENCE_UNREACHABLE {
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
			if f.GetActive() {
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
