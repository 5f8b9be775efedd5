package core

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// judge brings a node's presence and its alarms to what they should be now.
func (c *Core) judge(n *node) {
	c.present(n)
	away := c.away(n)
	alone := away == "" && !n.holding(c.now) // nothing explains its silence
	over := c.because(n, away)
	c.alarm(&n.raised, AlarmNodeUnreachable, alone && n.presence == PresenceUnreachable, n.cfg.Name, "", func() string {
		return fmt.Sprintf("%s is silent (%s): check its power, its cable and bramble-agent on it%s", n.cfg.Name, c.why(n), n.consequence())
	}, over)
	c.alarm(&n.raised, AlarmNodeStale, alone && n.presence == PresenceStale, n.cfg.Name, "", func() string {
		return fmt.Sprintf("%s has been silent for %s (%s): check its cable and its load%s", n.cfg.Name, c.cfg.StaleAfter, c.why(n), n.consequence())
	}, over)
	c.supply(n)
	for i := range n.sensors {
		c.try(n, &n.sensors[i])
	}
}

// consequence is what its silence means to the fans that cool it.
func (n *node) consequence() string {
	if len(n.fans) == 0 {
		return ""
	}
	return "; its fans go to full and stay there"
}

// present brings the presence to what the age of the newest sample says.
func (c *Core) present(n *node) {
	presence := PresenceConnecting
	switch silent := c.now.Sub(c.since(n)); {
	case silent >= c.cfg.UnreachableAfter:
		presence = PresenceUnreachable
	case n.sampled.IsZero():
	case silent >= c.cfg.StaleAfter:
		presence = PresenceStale
	default:
		presence = PresenceLive
	}
	if presence == n.presence {
		return
	}
	n.presence = presence
	c.touch(n)
	r := Report{Kind: ReportPresenceChanged, Subject: n.cfg.Name, Message: n.cfg.Name + " is " + presence.String()}
	if presence != PresenceLive {
		r.Message += ": " + c.why(n)
	}
	c.publish(r)
}

// since is when the silence of a node began.
func (c *Core) since(n *node) time.Time {
	if n.sampled.IsZero() {
		return c.start
	}
	return n.sampled
}

// deadline is when time alone changes something about a node.
func (c *Core) deadline(n *node) time.Time {
	at := c.now.Add(time.Hour)
	soon := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	switch n.presence {
	case PresenceLive:
		soon(c.since(n).Add(c.cfg.StaleAfter))
	case PresenceStale, PresenceConnecting:
		soon(c.since(n).Add(c.cfg.UnreachableAfter))
	}
	if t, timed := n.linkDeadline(); timed {
		soon(t)
	}
	if n.holding(c.now) {
		soon(n.booting)
	}
	if !n.silent {
		soon(c.hushed(n))
	}
	soon(c.next(n))
	if until := c.stopped(n); n.announced == ShutdownPowerOff && c.now.Before(until) {
		soon(until)
	}
	return at
}

// away says why a node is known to be without power, or to be left alone; empty when it is not.
func (c *Core) away(n *node) string {
	if n.maintained() {
		return "it is in maintenance"
	}
	return c.unpowered(n)
}

// unpowered says why a node is known to be without power, or halted; empty when it is not.
func (c *Core) unpowered(n *node) string {
	switch state := n.machine.State(); {
	case n.link == linkOpen && n.presence == PresenceLive:
		return "" // who speaks is not without power
	case state == power.StateFault && n.machine.Fault() != power.FaultNoBoot:
		return "" // its rail does not do as it is told, whatever it reads
	case n.ended(state):
		return "it has shut down"
	case state == power.StateOff:
		return "its rail is off"
	case n.rail == RailOff:
		return "its rail is off"
	case n.announced == ShutdownPowerOff && (n.rail != RailOn || c.now.Before(c.stopped(n))):
		return "it announced that it powers off"
	}
	return ""
}

// ended reports whether a node has shut down, as far as its power's state tells, and was not heard since.
func (n *node) ended(state power.State) bool {
	switch state {
	case power.StateProven, power.StateHalted:
	case power.StateCutting:
		if n.machine.Record().Latch == nil {
			return false
		}
	default:
		return false
	}
	return !n.sampled.After(n.machine.Since())
}

// maintained reports whether a person has taken the node out.
func (n *node) maintained() bool { return n.machine.State() == power.StateMaintenance }

// stopped is when a node that announced a power-off must have its rail off, if that is seen on.
func (c *Core) stopped(n *node) time.Time { return c.since(n).Add(n.cfg.StopDeadline) }

// holding reports whether a node may be booting.
func (n *node) holding(now time.Time) bool { return now.Before(n.booting) }

// why says in one line why a node is not live.
func (c *Core) why(n *node) string {
	switch away := c.away(n); {
	case away != "":
		return away
	case n.holding(c.now) && n.announced == ShutdownReboot:
		return "it reboots"
	case n.holding(c.now):
		return "it boots"
	case n.announced == ShutdownReboot:
		return fmt.Sprintf("it announced a reboot and was not heard within %s", n.cfg.BootDeadline)
	case n.announced == ShutdownPowerOff && n.presence != PresenceLive:
		return fmt.Sprintf("it announced a power-off, and %s after its last sample its rail is still on", n.cfg.StopDeadline)
	case !n.booting.IsZero():
		return fmt.Sprintf("its rail went on and it was not heard within %s", n.cfg.BootDeadline)
	case n.link == linkOpen:
		return "its stream is open and brings nothing new"
	case n.linkReason != "":
		return n.linkReason
	case n.sampled.IsZero():
		return "not heard yet"
	}
	return "no stream"
}

// because says why an alarm about silence ends.
func (c *Core) because(n *node, away string) string {
	switch {
	case away != "":
		return away
	case n.presence == PresenceLive:
		return "it is heard"
	case n.holding(c.now):
		return "it boots"
	}
	return "it is unreachable now"
}

// counted reports whether what a node last said is still held against it.
func (c *Core) counted(n *node) bool {
	return c.away(n) == "" && (n.presence == PresenceLive || n.presence == PresenceStale)
}

// supply brings the alarm about the supply to what the flag says.
func (c *Core) supply(n *node) {
	c.alarm(&n.raised, AlarmUnderVoltage, c.counted(n) && n.flags[FlagUnderVoltage].Active, n.cfg.Name, "", func() string {
		return n.cfg.Name + "'s supply is below its threshold, about 4.63 V: check its cable, the converter and what else draws current"
	}, "its supply is well or no longer known")
}

// try brings a sensor's alarms to what its reading says.
func (c *Core) try(n *node, s *sensor) {
	if !s.Kind.Temperature() {
		return
	}
	counted := c.counted(n)
	failed := s.reading.Error != ""
	c.alarm(&s.raised, AlarmSensorFailed, counted && failed && n.followed(s), n.cfg.Name, s.Name, func() string {
		what := "its fans follow the node's other temperatures"
		if _, good := n.newest(); !good {
			what = "its fans go to full within 5 s"
		}
		return fmt.Sprintf("%s/%s could not be read (%s): check the sensor; %s", n.cfg.Name, s.Name, s.reading.Error, what)
	}, "it reads again or is no longer judged")
	limit := n.limit(s)
	if s.raised.has(AlarmOverLimit) {
		limit -= limitGapCelsius
	}
	over := counted && !failed && limit > 0 && s.celsius >= limit
	c.alarm(&s.raised, AlarmOverLimit, over, n.cfg.Name, s.Name, func() string {
		return fmt.Sprintf("%s/%s is %.1f C, its limit is %g C: check its load, the airflow and the room", n.cfg.Name, s.Name, s.celsius, limit)
	}, "it is under its limit or no longer judged")
}

// acquit ends every alarm of a sensor.
func (c *Core) acquit(n *node, s *sensor, why string) {
	for _, kind := range [...]AlarmKind{AlarmSensorFailed, AlarmSensorFrozen, AlarmOverLimit} {
		c.alarm(&s.raised, kind, false, n.cfg.Name, s.Name, nil, why)
	}
}
