package coordinator

import (
	"context"
	"errors"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
)

// track is one node's rail. A rail that is a program may take seconds, so that each has a goroutine of its own: the
// control loop and its watchdog do not wait for it.
type track struct {
	node string
	port Rail
	sets chan bool // what the core wants written
}

// setRoom is how many writes may wait. The core has one under way for each rail, and tries a failed one again.
const setRoom = 4

var errRailBusy = errors.New("the rail still carries out what was written before")

// switchRail hands a write to the rail's goroutine. RailWritten follows in any case.
func (c *Coordinator) switchRail(e core.SwitchRail) {
	state := "off"
	if e.On {
		state = "on"
	}
	c.logger.Info("switching rail", "node", e.Node, "to", state)
	select {
	case c.tracks[e.Node].sets <- e.On:
	default:
		c.step(time.Now(), core.RailWritten{Node: e.Node, On: e.On, Err: errRailBusy})
	}
}

// operate writes and reads one rail until ctx ends: it is read once a second and after each write.
func (c *Coordinator) operate(ctx context.Context, t *track) {
	defer c.guard()
	ticker := time.NewTicker(core.Interval)
	defer ticker.Stop()
	for {
		on, err := t.port.On()
		c.tell(ctx, core.RailObserved{Node: t.node, On: on, Err: err})
		select {
		case <-ctx.Done():
			return
		case on := <-t.sets:
			err := t.port.Set(on)
			c.tell(ctx, core.RailWritten{Node: t.node, On: on, Err: err})
		case <-ticker.C:
		}
	}
}
