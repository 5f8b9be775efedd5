package main

import (
	"math"
	"time"

	"github.com/bramblemesh/bramble/sim"
)

// summary is the last line of `run --json`. Seconds count from the start of the run, duties are 0 to 1. Fields are
// added over time; none disappears.
type summary struct {
	Case            string        `json:"case"`
	Scenario        string        `json:"scenario"`
	Seed            uint64        `json:"seed"`
	Duration        float64       `json:"duration_seconds"`
	Nodes           []nodeSummary `json:"nodes"`
	Fan             fanSummary    `json:"fan"`
	Alarms          []alarmRecord `json:"alarms"`
	LostFileSystems int           `json:"lost_file_systems"`
	Losses          []lossRecord  `json:"losses"`
}

type nodeSummary struct {
	Name           string     `json:"name"`
	Board          string     `json:"board"`
	Samples        uint64     `json:"samples"`
	MinCelsius     *float64   `json:"min_celsius"`
	MaxCelsius     *float64   `json:"max_celsius"`
	StaleIntervals []interval `json:"stale_intervals"`
}

type fanSummary struct {
	MinDuty       float64    `json:"min_duty"`
	MaxDuty       float64    `json:"max_duty"`
	MeanDuty      float64    `json:"mean_duty"`
	MaxRPM        float64    `json:"max_rpm"`
	DutyChanges   int        `json:"duty_changes"`
	FullIntervals []interval `json:"full_intervals"`
}

type alarmRecord struct {
	At      float64 `json:"at_seconds"`
	Kind    string  `json:"kind"`
	Subject string  `json:"subject"`
}

// lossRecord is one cut of a board's power with its file systems mounted.
type lossRecord struct {
	At    float64 `json:"at_seconds"`
	Board string  `json:"board"`
	By    string  `json:"by"` // rail, plug or mains
}

// interval is a span of the run. One that has not ended when the run does ends with it.
type interval struct {
	From float64 `json:"from_seconds"`
	To   float64 `json:"to_seconds"`
}

// change is the smallest move of the duty that counts as one.
const change = 0.01

// recorder sums a run up while it goes. It is not safe for concurrent use.
type recorder struct {
	summary summary
	nodes   map[string]*nodeSummary
	stale   map[string]time.Duration // since when

	duty      float64
	dutySince time.Duration
	dutySum   float64 // of duty times seconds
	full      bool
	fullSince time.Duration
	started   bool
}

func newRecorder(caseName, scenario string, seed uint64, nodes []nodeSummary) *recorder {
	r := &recorder{
		summary: summary{Case: caseName, Scenario: scenario, Seed: seed, Nodes: nodes, Alarms: []alarmRecord{}},
		nodes:   map[string]*nodeSummary{},
		stale:   map[string]time.Duration{},
	}
	r.summary.Fan.FullIntervals = []interval{}
	for i := range r.summary.Nodes {
		r.summary.Nodes[i].StaleIntervals = []interval{}
		r.nodes[nodes[i].Name] = &r.summary.Nodes[i]
	}
	return r
}

// fan records what the fan is driven with and how fast it turns.
func (r *recorder) fan(at time.Duration, duty, rpm float64) {
	f := &r.summary.Fan
	if !r.started {
		r.started = true
		r.duty, r.full = duty, duty >= 1 // since the start
		f.MinDuty, f.MaxDuty = duty, duty
	}
	f.MaxRPM = max(f.MaxRPM, math.Round(rpm))
	if full := duty >= 1; full != r.full {
		if r.full {
			f.FullIntervals = append(f.FullIntervals, interval{seconds(r.fullSince), seconds(at)})
		}
		r.full, r.fullSince = full, at
	}
	if duty == r.duty {
		return
	}
	if math.Abs(duty-r.duty) >= change-1e-9 {
		f.DutyChanges++
	}
	r.dutySum += r.duty * (at - r.dutySince).Seconds()
	r.duty, r.dutySince = duty, at
	f.MinDuty, f.MaxDuty = min(f.MinDuty, duty), max(f.MaxDuty, duty)
}

// node records how many samples of a node have arrived, and the newest temperature where it has one.
func (r *recorder) node(name string, samples uint64, celsius float64, known bool) {
	n := r.nodes[name]
	n.Samples = samples
	if !known {
		return
	}
	celsius = math.Round(celsius*1000) / 1000
	if n.MinCelsius == nil || celsius < *n.MinCelsius {
		n.MinCelsius = new(celsius)
	}
	if n.MaxCelsius == nil || celsius > *n.MaxCelsius {
		n.MaxCelsius = new(celsius)
	}
}

// presence records that a node was, or was no longer, silent.
func (r *recorder) presence(at time.Duration, name string, silent bool) {
	since, was := r.stale[name]
	switch {
	case silent && !was:
		r.stale[name] = at
	case !silent && was:
		delete(r.stale, name)
		r.nodes[name].StaleIntervals = append(r.nodes[name].StaleIntervals, interval{seconds(since), seconds(at)})
	}
}

func (r *recorder) alarm(at time.Duration, kind, subject string) {
	r.summary.Alarms = append(r.summary.Alarms, alarmRecord{seconds(at), kind, subject})
}

// finish ends every open interval and returns the whole.
func (r *recorder) finish(at time.Duration, losses []sim.Loss) summary {
	for i := range r.summary.Nodes {
		r.presence(at, r.summary.Nodes[i].Name, false)
	}
	if r.full {
		r.summary.Fan.FullIntervals = append(r.summary.Fan.FullIntervals, interval{seconds(r.fullSince), seconds(at)})
	}
	if at > 0 {
		r.summary.Fan.MeanDuty = round4((r.dutySum + r.duty*(at-r.dutySince).Seconds()) / at.Seconds())
	}
	r.summary.Fan.MinDuty, r.summary.Fan.MaxDuty = round4(r.summary.Fan.MinDuty), round4(r.summary.Fan.MaxDuty)
	r.summary.Duration = seconds(at)
	r.summary.LostFileSystems, r.summary.Losses = len(losses), []lossRecord{}
	for _, l := range losses {
		r.summary.Losses = append(r.summary.Losses, lossRecord{seconds(l.At), l.Board, l.By.String()})
	}
	return r.summary
}

func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// seconds rounds to the millisecond, so that the line stays readable.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
