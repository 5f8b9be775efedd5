package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/sim"
)

// observer follows a run: it keeps the summary and prints a line for each change. Safe for concurrent use.
type observer struct {
	c     *sim.Case
	lines io.Writer // nil prints nothing

	mu       sync.Mutex
	recorder *recorder
	told     float64 // duty in the last line about it
	recent   []string
}

// recentLines is how many lines a live view can look back at.
const recentLines = 100

func newObserver(p *plan, lines io.Writer) *observer {
	return &observer{c: p.c, lines: lines, recorder: p.recorder(), told: -1}
}

// tellDuty is how far the duty must move to be worth a line.
const tellDuty = 0.05

// look takes the state of the case and what the coordinator knows of it.
func (o *observer) look(nodes []core.NodeView, fans []core.FanView) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.c.Now()
	for _, n := range nodes {
		celsius, known := hottest(n)
		o.recorder.node(n.Name, n.Samples, celsius, known)
	}
	fan := o.c.Fan()
	if fan == nil {
		return
	}
	rpm, err := fan.RPM()
	if err != nil {
		rpm = 0
	}
	o.recorder.fan(at, fan.Duty(), rpm)
	for _, f := range fans {
		if math.Abs(f.Duty-o.told) >= tellDuty && len(f.Nodes) > 0 {
			o.told = f.Duty
			o.print(at, f.Name, f.Reason+"; "+turns(f))
		}
	}
}

func turns(f core.FanView) string {
	if f.RPM == nil {
		return "speed unknown"
	}
	return fmt.Sprintf("%.0f rpm", *f.RPM)
}

// hear takes what the coordinator tells its subscribers.
func (o *observer) hear(r core.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.c.Now()
	switch r.Kind {
	case core.ReportFanModeChanged:
		o.told = o.c.Fan().Duty() // its message says it
	case core.ReportAlarmRaised:
		o.recorder.alarm(at, strings.ReplaceAll(strings.ReplaceAll(r.Alarm.String(), " ", "_"), "-", "_"), r.Subject)
	}
	o.print(at, r.Subject, r.Message)
}

// presence takes whether a node is heard; it is asked of every node at every look.
func (o *observer) presence(n core.NodeView) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.recorder.presence(o.c.Now(), n.Name, n.Presence == core.PresenceStale || n.Presence == core.PresenceUnreachable)
}

// say prints a line of the run's own, such as a key that was pressed.
func (o *observer) say(subject, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.print(o.c.Now(), subject, text)
}

func (o *observer) print(at time.Duration, subject, text string) {
	for _, end := range []string{" ", ": "} {
		text = strings.TrimPrefix(text, subject+end) // the line begins with it
	}
	line := fmt.Sprintf("%8.1f s  %-10s %s", at.Seconds(), subject, text)
	if o.lines != nil {
		fmt.Fprintln(o.lines, line)
	}
	o.recent = append(o.recent, line)
	if len(o.recent) > recentLines {
		o.recent = o.recent[1:]
	}
}

// last returns up to n of the newest lines, oldest first.
func (o *observer) last(n int) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.recent[max(0, len(o.recent)-n):]...)
}

func (o *observer) finish() summary {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.recorder.finish(o.c.Now(), o.c.Losses())
}

func hottest(n core.NodeView) (celsius float64, known bool) {
	celsius = math.Inf(-1)
	for _, m := range n.Measurements {
		if m.Kind.Temperature() && m.Reading.Error == "" {
			celsius, known = max(celsius, m.Reading.Celsius), true
		}
	}
	return celsius, known
}
