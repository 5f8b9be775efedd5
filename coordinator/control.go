package coordinator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
)

// late is how far behind its time a control tick is worth a line.
const late = 100 * time.Millisecond

// errPanic is what others see of a panic that the control loop is about to repeat.
var errPanic = errors.New("panic: the coordinator ends")

// control is the one goroutine that steps the core and touches the hardware. It ticks on absolute deadlines, so that it
// does not drift, and calls ready after the first tick.
func (c *Coordinator) control(ctx context.Context, ready func()) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	behind := false
	for ctx.Err() == nil {
		c.catchUp()
		now := time.Now()
		wake := c.next()
		switch {
		case !now.Before(next):
			behind = c.punctual(now.Sub(next), behind)
			c.tick()
			if ready != nil {
				ready()
				ready = nil
			}
			for next = next.Add(core.Interval); !next.After(now); {
				next = next.Add(core.Interval)
			}
			continue
		case !now.Before(wake):
			c.step(now, core.Wake{})
			continue
		}
		if wake.After(next) {
			wake = next
		}
		timer.Reset(time.Until(wake))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case l := <-c.inbox:
			c.take(l)
		case p := <-c.panics:
			panic(p)
		}
	}
	select {
	case p := <-c.panics:
		panic(p)
	default:
	}
	if failure, ok := errors.AsType[*listenerError](context.Cause(ctx)); ok {
		return failure
	}
	return nil
}

// waitingLetters is how many letters are taken before time is let pass.
const waitingLetters = 256

// catchUp takes the letters that wait already. What happened comes before what the passing of time brings: a worker that
// spoke must be heard before its silence is judged, also after a pause of this process.
func (c *Coordinator) catchUp() {
	for range waitingLetters {
		select {
		case l := <-c.inbox:
			c.take(l)
		default:
			return
		}
	}
}

// punctual notes when ticks begin to be late and when that is over, and reports whether they are.
func (c *Coordinator) punctual(by time.Duration, was bool) (behind bool) {
	switch behind = by >= late; {
	case behind && !was:
		c.logger.Warn("control tick is late", "reason", fmt.Sprintf("by %s: the machine is busy or a port is slow", by))
	case was && !behind:
		c.logger.Info("control tick is in time again")
	}
	return behind
}

// next is when the core wants to be woken.
func (c *Coordinator) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.core.Next()
}

// tick reads the hardware, lets the core decide and does as it says. Alive is last: a port that hangs starves it.
func (c *Coordinator) tick() {
	for _, f := range c.cfg.Core.Fans {
		if f.Tach {
			rpm, err := c.cfg.Hardware.Fans[f.Name].RPM()
			c.step(time.Now(), core.FanMeasured{Fan: f.Name, RPM: rpm, Err: err})
		}
	}
	clear(c.fresh)
	c.step(time.Now(), core.Tick{})
	c.keep()
	if c.cfg.Alive != nil {
		c.cfg.Alive()
	}
}

func (c *Coordinator) take(l letter) {
	now := time.Now()
	if m, ok := l.event.(core.NodeMessage); ok {
		m.Message.Age += now.Sub(l.received)
		l.event = m
	}
	if l.reply != nil {
		if len(c.waiting) >= mostWaiting {
			l.reply <- reply{err: errFull}
			return
		}
		c.waiting[l.ticket] = l.reply
	}
	err := c.step(now, l.event)
	if l.answer != nil {
		l.answer <- err
	}
}

// step lets the core decide and does as it says. The error is the core's refusal.
func (c *Coordinator) step(now time.Time, event core.Event) (refusal error) {
	for _, effect := range c.decide(now, event) {
		switch e := effect.(type) {
		case core.Publish:
			c.log(e.Report)
		case core.Connect:
			c.links[e.Node].connect(e.After)
		case core.Disconnect:
			c.logger.Debug("stream given up", "node", e.Node, "reason", e.Reason)
			c.links[e.Node].disconnect()
		case core.WriteDuty:
			c.logger.Debug("duty set", "fan", e.Fan, "duty", e.Fraction)
			c.duties[e.Fan], c.fresh[e.Fan] = e.Fraction, true
			c.drive(e.Fan)
		case core.Store:
			c.saves <- e // the core has one under way at the most
		case core.SwitchRail:
			c.switchRail(e)
		case core.AskPowerOff, core.AskReboot, core.AskPulse, core.StopMaster:
			c.ask(effect)
		case core.AcknowledgeDamage:
			if err := c.acknowledge(); err != nil {
				c.logger.Error("the acknowledgement could not be kept: after a restart it is asked for again", "error", err)
			}
		case core.Answer:
			c.answer(e.Ticket, reply{answer: e})
		case core.Refuse:
			if e.Ticket != 0 {
				c.answer(e.Ticket, reply{err: e.Err})
			} else {
				refusal = e.Err
			}
		}
	}
	return refusal
}

// keep writes once more what this tick did not: something else may have changed it, such as a kernel's thermal governor,
// and an output that was lost is noticed within a second.
func (c *Coordinator) keep() {
	for _, f := range c.cfg.Core.Fans {
		if _, driven := c.duties[f.Name]; driven && !c.fresh[f.Name] {
			c.drive(f.Name)
		}
	}
}

// drive writes a fan's duty. A fan that does not take it is left safe: a lost output may be found anew that way.
func (c *Coordinator) drive(name string) {
	f := c.cfg.Hardware.Fans[name]
	err := f.SetDuty(c.duties[name])
	if err != nil {
		if safe := f.Safe(); safe != nil {
			err = fmt.Errorf("%w; nor could it be left safe: %w", err, safe)
		}
	}
	c.step(time.Now(), core.FanWritten{Fan: name, Err: err})
}

// decide steps the core, hands out what subscribers get, and returns a copy of the effects.
func (c *Coordinator) decide(now time.Time, event core.Event) []core.Effect {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.core.Revision()
	effects := c.core.Step(now, event)
	for _, effect := range effects {
		if p, ok := effect.(core.Publish); ok {
			c.events.add(p.Report)
			before = 0
		}
	}
	if before != c.core.Revision() && c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	return append([]core.Effect(nil), effects...)
}

func (c *Coordinator) log(r core.Report) {
	key := "node"
	switch {
	case r.Kind == core.ReportFanModeChanged, r.Alarm == core.AlarmFanStalled, r.Alarm == core.AlarmFanWriteFailed, r.Alarm == core.AlarmTachFailed:
		key = "fan"
	}
	if r.Kind == core.ReportAlarmRaised {
		c.logger.Warn(r.Kind.String(), key, r.Subject, "reason", r.Message)
		return
	}
	c.logger.Info(r.Kind.String(), key, r.Subject, "reason", r.Message)
}

// guard is deferred by every other goroutine that runs an embedder's code: its panic becomes the control loop's, which
// leaves the fans safe before it goes on.
func (c *Coordinator) guard() {
	if p := recover(); p != nil {
		select {
		case c.panics <- fmt.Sprintf("%v\n\n%s", p, debug.Stack()):
		default:
		}
	}
}
