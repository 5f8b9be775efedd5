package main

import (
	"context"
	"math"
	"time"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/sim/virtual"
)

// step is how often a run is looked at.
const step = 100 * time.Millisecond

// virtual runs the plan in virtual time.
func (p *plan) virtual(ctx context.Context, kept coordinator.Store) (summary, error) {
	o := newObserver(p, p.lines)
	v, err := virtual.New(virtual.Config{Case: p.c, Store: kept, Report: o.hear})
	if err != nil {
		return summary{}, err
	}
	start := time.Now()
	for seen := uint64(0); p.c.Now() < p.duration && ctx.Err() == nil; {
		v.Step(min(step, p.duration-p.c.Now()))
		nodes := v.Core().Nodes(seen)
		fans := v.Core().Fans(seen)
		seen = v.Core().Revision()
		for _, n := range nodes {
			o.presence(n)
		}
		o.look(nodes, fans)
		p.pace(ctx, start)
	}
	return o.finish(), nil
}

// pace waits until the clock has caught up with a run that is to be no faster than its speed.
func (p *plan) pace(ctx context.Context, start time.Time) {
	if math.IsInf(p.speed, 1) {
		return
	}
	due := start.Add(time.Duration(float64(p.c.Now()) / p.speed))
	wait := time.Until(due)
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}
