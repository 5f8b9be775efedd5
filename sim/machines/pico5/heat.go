package pico5

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/bramblemesh/bramble/sim/machines"
)

// parameters is where pi-sim, in a machine, has what its hardware shows.
const parameters = "/sys/module/pi_sim/parameters/"

// fullSpeed is what pi-sim's fan does at full duty, see case-node.
const fullSpeed = 5000

// heat lets the machines be as hot, and their fan blow as much, as sim.Case says, until the context ends: the temperature
// and the flags of its boards go to the machines, the duty of the master's fan comes from there. A machine that does not
// answer is one that boots, or goes.
func (c *Case) heat(ctx context.Context) {
	const every = 2 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, b := range c.boards {
			state, m, _ := b.now()
			if rail := c.Heat.Rail(b.name); rail != nil {
				_ = rail.Set(state != Off)
			}
			if m == nil {
				continue
			}
			asked, cancel := context.WithTimeout(ctx, every)
			c.show(asked, b.name, m)
			if b.name == master {
				c.blow(asked, m)
			}
			cancel()
		}
		c.Heat.Step(every)
	}
}

// show gives a machine the heat and the flags of its board.
func (c *Case) show(ctx context.Context, name string, m *machines.Machine) {
	simulated := c.Heat.Board(name)
	_ = m.Put(ctx, parameters+"temp", fmt.Append(nil, int(1000*simulated.TrueCelsius())), 0o644)
	if flags, err := simulated.ThrottleWord(); err == nil {
		_ = m.Put(ctx, parameters+"throttled", fmt.Append(nil, flags&0xf), 0o644)
	}
}

// blow gives the simulated fan the duty of the master's.
func (c *Case) blow(ctx context.Context, m *machines.Machine) {
	text, err := m.Get(ctx, parameters+"fan_rpm")
	if err != nil {
		return
	}
	if rpm, err := strconv.ParseFloat(string(bytes.TrimSpace(text)), 64); err == nil {
		_ = c.Heat.Fan().SetDuty(min(1, rpm/fullSpeed))
	}
}
