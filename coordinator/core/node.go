package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Presence says how well a node is heard. The values are those of bramble.coordinator.v1.
type Presence uint8

// The presences.
const (
	PresenceUnspecified Presence = iota
	PresenceConnecting           // not heard since the start
	PresenceLive
	PresenceStale
	PresenceUnreachable
)

// String is the presence in a word.
func (p Presence) String() string {
	return word(int(p), "unspecified", "connecting", "live", "stale", "unreachable")
}

// RailState is the switched feed of a node. The values are those of bramble.coordinator.v1.
type RailState uint8

// The states of a rail.
const (
	RailNone    RailState = iota // the node has none
	RailOn                       // seen on
	RailOff                      // seen off
	RailUnknown                  // not seen yet, or not readable: it counts as on
)

// node is what is known of one board.
type node struct {
	cfg      NodeConfig
	index    int         // in the Config
	fans     []*fanState // that cool it
	revision uint64

	link       link
	linkSince  time.Time // dial due, or stream open
	linkReason string    // why the last stream ended
	attempts   uint      // since the last stream that lasted
	sequence   uint64    // of the newest message of this stream

	heard, sampled  time.Time // arrival of the newest message; when its sample was taken
	sample, samples uint64    // the number of the newest sample; how many were heard
	presence        Presence
	raised          alarms // for the node itself

	info      NodeInfo
	sensors   []sensor
	source    ThrottlingSource
	sourceErr string
	flags     [flags]FlagState // of those that are not known, all is zero
	reboots   uint64

	announced ShutdownKind // and not yet carried out; unspecified for none
	booting   time.Time    // until then it may be booting; zero when it is not
	rose      time.Time    // when its rail went on, the last time that this explained a silence
	rail      RailState    // RailNone until it was seen

	machine             *power.Machine
	spoke, closed       time.Time // when the machine was last told that it is heard; when its stream ended, until it is heard
	silent, witnessed   bool      // the machine was told so
	startWave, stopWave int       // its turn when the whole case starts, or stops
	needs               []bool    // the nodes that it comes after, directly or not, by their index
	sagged              bool      // an under-voltage that no start has heeded yet

	dirty                    bool   // its record is to be written
	persist, flying, pending uint64 // Persist: the newest, the one on its way to disk, and the one that waits for an acknowledgement
}

// hear takes one message.
func (c *Core) hear(n *node, m *Message) {
	if n.link != linkOpen {
		return // the rest of a stream that was given up
	}
	if fault := n.outOfOrder(m); fault != "" {
		c.disconnect(n, fault+": stream begun anew")
		return
	}
	if fault := n.mistaken(m); fault != "" {
		c.disconnect(n, fault)
		return
	}
	n.sequence = m.Sequence
	before := n.sampled
	n.heard = c.now
	if m.Sample != n.sample {
		n.sample = m.Sample
		n.samples++
	}
	if at := c.now.Add(-max(m.Age, 0)); at.After(before) {
		n.sampled = at
	}
	if n.announced == ShutdownUnspecified && n.sampled.After(n.rose) {
		n.booting = time.Time{} // it is up since the rail's rise, and may be silent no longer
	}
	rejoined := false
	if m.Info != nil {
		rejoined = m.Sequence == 1 && c.identify(n, m)
		c.describe(n, m.Info, before)
	}
	c.listen(n, m)
	for i := range m.Readings {
		n.read(&m.Readings[i], before)
	}
	c.flag(n, m, rejoined)
	for _, notice := range m.Notices {
		c.announce(n, notice)
	}
	c.touch(n)
	c.judge(n)
	c.soon(c.deadline(n))
}

// identify takes the start of a stream and reports whether its boot was heard before.
func (c *Core) identify(n *node, m *Message) bool {
	before, now := n.info.BootID, m.Info.BootID
	if before != now || len(m.Notices) == 0 {
		// What was announced has been carried out, or was called off while nobody heard.
		if r := n.machine.Record(); r.BootID == now && r.Announced != power.AnnouncedUnspecified && len(m.Notices) == 0 {
			c.tell(n, power.Announced{Kind: power.AnnouncedCancelled, At: c.now}) // perhaps to another coordinator than this one
		}
		n.announced, n.booting = ShutdownUnspecified, time.Time{}
	}
	if before == now {
		return true
	}
	if before != "" {
		n.reboots++
		c.publish(Report{Kind: ReportRebooted, Subject: n.cfg.Name, Message: n.cfg.Name + " restarted: its boot identifier is new"})
	}
	return false
}

// announce takes one notice of a shutdown.
func (c *Core) announce(n *node, notice ShutdownNotice) {
	at := c.now.Add(-max(notice.Age, 0))
	c.tell(n, power.Announced{Kind: power.Announcement(notice.Kind), At: at})
	text := ""
	switch notice.Kind {
	case ShutdownCancelled:
		if n.announced == ShutdownUnspecified {
			return
		}
		n.announced, n.booting = ShutdownUnspecified, time.Time{}
		text = " stays up: the announced shutdown was cancelled"
	case ShutdownPowerOff:
		if n.announced == ShutdownPowerOff {
			return
		}
		n.announced, n.booting = ShutdownPowerOff, time.Time{}
		text = " announced that it powers off"
	default:
		// Not knowing which kind, be ready for it to come back: if it does not, the fans go to full.
		if n.announced == ShutdownReboot {
			return
		}
		n.announced, n.booting = ShutdownReboot, at.Add(n.cfg.BootDeadline)
		text = " announced that it reboots"
	}
	c.publish(Report{Kind: ReportShutdownAnnounced, Subject: n.cfg.Name, Message: n.cfg.Name + text, At: at, Shutdown: notice.Kind})
}

// observe takes the state of a node's rail.
func (c *Core) observe(n *node, ev RailObserved) {
	c.tell(n, power.RailSeen{On: ev.On, Err: ev.Err})
	state, text := RailOff, "'s rail went off"
	switch {
	case ev.Err != nil:
		state, text = RailUnknown, fmt.Sprintf("'s rail could not be read (%v): it counts as on; check its output", ev.Err)
	case ev.On:
		state, text = RailOn, "'s rail went on"
	}
	before := n.rail
	if state == before {
		return
	}
	n.rail = state
	switch {
	case state == RailOff:
		n.booting = time.Time{}
	case state == RailOn && before == RailOff:
		n.announced = ShutdownUnspecified
		if n.rose.IsZero() || n.sampled.After(n.rose) {
			n.rose = c.now // else it went on before, and nothing came: no second wait
		}
		n.booting = n.rose.Add(n.cfg.BootDeadline)
	}
	// A port that cannot read rails at all is no news at the start.
	unseen := before == RailNone && (state != RailUnknown || errors.Is(ev.Err, errors.ErrUnsupported))
	if !unseen {
		c.publish(Report{Kind: ReportRailChanged, Subject: n.cfg.Name, Message: n.cfg.Name + text})
	}
	c.touch(n)
	c.judge(n)
	c.soon(c.deadline(n))
}

// flag takes what a message says of the flags. rejoined says that the message begins a new stream of a boot that was
// heard before: what happened in between is told by the counts.
func (c *Core) flag(n *node, m *Message, rejoined bool) {
	for _, e := range m.Edges {
		if e.Flag == FlagUnspecified || e.Flag >= flags {
			continue
		}
		n.flags[e.Flag] = FlagState{Flag: e.Flag, Active: e.Active, Count: e.Count}
		if e.Flag == FlagUnderVoltage {
			c.sag(n)
		}
		c.edge(n, e, "")
		c.supply(n)
	}
	if m.Throttling == nil && m.Sequence > 1 {
		return
	}
	var now [flags]FlagState
	n.source, n.sourceErr = 0, ""
	var known []FlagState
	if t := m.Throttling; t != nil {
		n.source, n.sourceErr, known = t.Source, t.Error, t.Flags
	}
	for _, s := range known {
		if s.Flag == FlagUnspecified || s.Flag >= flags {
			continue
		}
		now[s.Flag] = s
		before := n.flags[s.Flag]
		if !rejoined || s.Count == before.Count && s.Active == before.Active {
			continue
		}
		if s.Count > before.Count {
			c.edge(n, FlagEdge{Flag: s.Flag, Active: true, Count: s.Count}, " while it was not heard")
		}
		if !s.Active {
			c.edge(n, FlagEdge{Flag: s.Flag, Count: s.Count}, " while it was not heard")
		}
	}
	if now[FlagUnderVoltage].Active != n.flags[FlagUnderVoltage].Active || now[FlagUnderVoltage].Count > n.flags[FlagUnderVoltage].Count {
		c.sag(n)
	}
	n.flags = now
}

func (c *Core) edge(n *node, e FlagEdge, when string) {
	r := Report{Kind: ReportFlagCleared, Subject: n.cfg.Name, Flag: e.Flag, At: c.now.Add(-max(e.Age, 0))}
	if e.Active {
		r.Kind = ReportFlagRaised
		r.Message = fmt.Sprintf("%s: %s began%s (number %d in this boot)", n.cfg.Name, e.Flag, when, e.Count)
	} else {
		r.Message = fmt.Sprintf("%s: %s ended%s", n.cfg.Name, e.Flag, when)
	}
	c.publish(r)
}
