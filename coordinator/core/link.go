package core

import (
	"fmt"
	"time"
)

const (
	// dialTimeout is how long a dial may take, and streamTimeout how long a stream may say nothing, before it is given
	// up: without an answer TCP tries for minutes, and gRPC's own keepalive needs more than 10 s.
	dialTimeout   = 5 * time.Second
	streamTimeout = 5 * time.Second
	// A redial waits at random within a window that doubles from the least to the most. The most is short, so that a
	// board that comes back is soon heard; a stream that lasted as long starts with the least again.
	leastWindow = 250 * time.Millisecond
	mostWindow  = 5 * time.Second
	// spread is the window of the very first dials, for each node of the case: a handshake takes a master about a
	// millisecond, and a thousand at once would starve each other.
	spread = 3 * time.Millisecond
	// maxSensors is far more than any board has, and maxEdges more than flags rise and fall between two samples.
	maxSensors = 256
	maxEdges   = 512
)

// link is where a node's stream stands.
type link uint8

const (
	linkDialling link = iota
	linkOpen
	linkClosing // Disconnect was asked for
)

func (c *Core) dialAll() {
	for _, n := range c.nodes {
		c.dial(n, spread*time.Duration(len(c.nodes)))
	}
}

func (c *Core) dial(n *node, window time.Duration) {
	after := time.Duration(c.random.Int64N(int64(window)))
	n.link, n.linkSince, n.sequence = linkDialling, c.now.Add(after), 0 // a dial that fails is no stream that lasted
	c.soon(n.linkSince.Add(dialTimeout))
	c.emit(Connect{Node: n.cfg.Name, After: after})
}

func (c *Core) opened(n *node) {
	if n.link != linkDialling {
		return
	}
	n.link, n.linkSince, n.sequence = linkOpen, c.now, 0
	c.soon(c.now.Add(streamTimeout))
}

func (c *Core) closed(n *node, reason string) {
	if n.link == linkClosing {
		reason = n.linkReason
	} else if reason == "" {
		reason = "its agent ended the stream"
	}
	if n.sequence > 0 && n.closed.IsZero() {
		n.closed = c.now
	}
	lasted := n.sequence > 0 && c.now.Sub(n.linkSince) >= mostWindow
	if lasted {
		n.attempts = 0
	}
	window := min(leastWindow<<min(n.attempts, 8), mostWindow)
	n.attempts++
	c.dial(n, window)
	if n.linkReason != reason {
		n.linkReason = reason
		c.touch(n)
	}
	c.judge(n)
}

func (c *Core) disconnect(n *node, reason string) {
	n.link, n.linkReason = linkClosing, reason
	c.touch(n)
	c.emit(Disconnect{Node: n.cfg.Name, Reason: reason})
}

// silence gives up a dial without an answer and a stream that says nothing.
func (c *Core) silence(n *node) {
	switch at, timed := n.linkDeadline(); {
	case !timed || c.now.Before(at):
	case n.link == linkDialling:
		c.disconnect(n, fmt.Sprintf("no answer to a dial in %s", dialTimeout))
	default:
		c.disconnect(n, fmt.Sprintf("its stream was open and said nothing for %s", streamTimeout))
	}
}

func (n *node) linkDeadline() (time.Time, bool) {
	switch n.link {
	case linkDialling:
		return n.linkSince.Add(dialTimeout), true
	case linkOpen:
		since := n.linkSince
		if n.heard.After(since) {
			since = n.heard
		}
		return since.Add(streamTimeout), true
	}
	return time.Time{}, false
}

// mistaken says what to correct where another node than the one that was meant answers.
func (n *node) mistaken(m *Message) string {
	if m.Info == nil || m.Info.Name == n.cfg.Name {
		return ""
	}
	return fmt.Sprintf("its address %s answers as %q: correct the address of %s here, or the name in bramble-agent's settings there",
		n.cfg.Address, m.Info.Name, n.cfg.Name)
}

// outOfOrder says what is wrong with a message's place in its stream, if anything is.
func (n *node) outOfOrder(m *Message) string {
	switch {
	case m.Sequence != n.sequence+1:
		return fmt.Sprintf("its stream sent message %d where %d was due", m.Sequence, n.sequence+1)
	case m.Sequence == 1 && m.Info == nil:
		return "its stream did not begin with who speaks"
	case len(m.Edges)+len(m.Notices) > maxEdges:
		return fmt.Sprintf("it sent %d flag edges and notices at once, more than %d", len(m.Edges)+len(m.Notices), maxEdges)
	case m.Info != nil:
		return m.Info.fault()
	}
	return ""
}

func (info *NodeInfo) fault() string {
	if len(info.Sensors) > maxSensors {
		return fmt.Sprintf("it describes %d sensors, more than %d", len(info.Sensors), maxSensors)
	}
	names, ids := map[string]bool{}, map[uint32]bool{}
	for _, s := range info.Sensors {
		if names[s.Name] || ids[s.ID] {
			return fmt.Sprintf("it describes sensor %q twice", s.Name)
		}
		names[s.Name], ids[s.ID] = true, true
	}
	return ""
}
