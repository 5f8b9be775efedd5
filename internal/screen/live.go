package screen

import (
	"fmt"
	"strings"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// tableWidth is what a line of Live takes before its flags, about.
const tableWidth = 66

// Live is the case on a screen that is drawn again and again: a line for each node, then each fan and why it runs as it
// does, then the alarms, as far as lines go. What bramble does about a fault comes before any detail of it.
func (s Screen) Live(c *coordinatorv1.GetCaseResponse, nodes []*coordinatorv1.Node, lines int) string {
	rows := [][]cell{s.nodesHeader()}
	for _, n := range nodes {
		cells := s.nodeRow(n)
		last := &cells[len(cells)-1]
		last.text = clip(last.text, max(12, s.Width-tableWidth))
		rows = append(rows, cells)
	}
	text := s.columns(rows) + "\n"
	var fans [][]cell
	for _, f := range c.GetFans() {
		fans = append(fans, []cell{{text: "fan " + f.GetName()}, summary(f)})
	}
	fans = append(fans, []cell{{text: "nodes"}, roll(nodes)})
	fans = append(fans, s.power(c)...)
	if len(c.GetAlarms()) == 0 {
		return text + s.columns(append(fans, row("alarms", "none")))
	}
	text += s.columns(append(fans, []cell{{text: "alarms"}, {text: fmt.Sprint(len(c.GetAlarms())), style: red}}))
	return text + s.alarms(c.GetAlarms(), max(1, lines-strings.Count(text, "\n")))
}
