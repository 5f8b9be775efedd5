package coordinator

import (
	"context"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
)

// lineRetry is the time between two tries to watch a done line that cannot be had.
const lineRetry = time.Second

// listen watches one node's done line until ctx ends. A watch that fails is told and tried again.
func (c *Coordinator) listen(ctx context.Context, node string, line DoneLine) {
	defer c.guard()
	retry := time.NewTimer(0)
	defer retry.Stop()
	<-retry.C
	for ctx.Err() == nil {
		edge := false // the first call is the level
		err := line.Watch(ctx, func(high bool, at time.Time) {
			c.tell(ctx, core.LineObserved{Node: node, High: high, At: at, Edge: edge})
			edge = true
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errLineEnded
		}
		c.tell(ctx, core.LineObserved{Node: node, Err: err})
		retry.Reset(lineRetry)
		select {
		case <-ctx.Done():
		case <-retry.C:
		}
	}
}
