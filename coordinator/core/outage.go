package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// outageWait is how long rails may take to be seen after a new boot of the master.
const outageWait = 10 * time.Second

// outage starts, once after a new boot of the master, what the configuration says.
func (c *Core) outage() {
	if !c.afterBoot || c.now.Sub(c.start) < outageWait && slices.ContainsFunc(c.nodes, func(n *node) bool {
		return n.cfg.Rail && n.machine.State() == power.StateUnknown
	}) {
		return
	}
	if !c.usable() {
		return
	}
	c.afterBoot = false
	var names []string
	for _, n := range c.nodes {
		wanted := c.cfg.AfterOutage == afterStart || n.machine.Record().Desired == power.DesiredOn || slices.Contains(c.restore, n.cfg.Name)
		if o, _ := c.holder(n.cfg.Name); o == nil && n.cfg.Rail && wanted && n.machine.State() == power.StateOff {
			names = append(names, n.cfg.Name)
		}
	}
	c.setRestore(nil)
	if c.cfg.AfterOutage == afterStay || len(names) == 0 {
		return
	}
	ev := Request{Kind: OperationPowerOn, Nodes: names, By: "bramble", Reason: fmt.Sprintf("the master has booted anew (after_outage: %s)", c.cfg.AfterOutage)}
	o, _, err := c.draft(&ev)
	if err != nil {
		c.publish(Report{Kind: ReportOperation, Message: "after the outage nothing was started: " + err.Error()})
		return
	}
	c.accept(o, &ev)
}

// setRestore remembers the nodes that a shutdown of the master stops, and that start again with it.
func (c *Core) setRestore(names []string) {
	if len(names) == 0 && len(c.restore) == 0 {
		return
	}
	c.restore = names
	if names == nil {
		c.keep(Entry{Bucket: bucketMeta, Key: metaRestore})
		return
	}
	c.keep(entry(bucketMeta, metaRestore, names))
}
