package core

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Open starts the decisions of a case at now with what is remembered: kept is all that Store asked to keep, empty the first
// time. damage says what was found damaged and not acknowledged yet. clock is the master's boot and its boottime at now; its
// zero value is not known. A case without a memory is made with New. The error is Config.Validate's.
func Open(cfg Config, now time.Time, clock power.Instant, kept []Entry, damage string) (*Core, error) {
	c, err := prepare(cfg, now)
	if err != nil {
		return nil, err
	}
	c.clock, c.kept, c.damage = clock, true, damage
	r := c.read(kept)
	c.remembered(r)
	for _, n := range c.nodes {
		n.machine = power.New(n.cfg.Power, r.records[n.cfg.Name], now, clock)
		c.tell(n, power.Tick{})
	}
	c.moved = true
	return c, nil
}

// recollection is what was remembered, by its kind.
type recollection struct {
	records    map[string]*power.Record
	operations []*operation
	reports    []keptReport
	boot       string
	damage     string // what cannot be read, or could not be before
}

// read takes the entries apart. One that cannot be read is damage, as if the store had found it.
func (c *Core) read(kept []Entry) recollection {
	r := recollection{records: map[string]*power.Record{}}
	for _, e := range kept {
		if err := c.readEntry(e, &r); err != nil {
			r.damage = cmp.Or(r.damage, err.Error())
			c.keep(Entry{Bucket: e.Bucket, Key: e.Key})
			c.keep(entry(bucketMeta, metaDamage, r.damage)) // this entry will be gone at the next start
		}
	}
	c.damage = cmp.Or(c.damage, r.damage)
	slices.SortFunc(r.operations, func(a, b *operation) int { return cmp.Compare(a.number, b.number) })
	return r
}

func (c *Core) readEntry(e Entry, r *recollection) error {
	switch e.Bucket {
	case bucketNodes:
		if c.byNode[e.Key] == nil {
			c.keep(Entry{Bucket: e.Bucket, Key: e.Key}) // it left the configuration: should it come back, it is another one
			return nil
		}
		record := &power.Record{}
		r.records[e.Key] = record
		return e.read(record)
	case bucketOperations:
		o := &operation{id: e.Key, number: numberOf(e.Key), durable: true, revision: 1}
		if err := e.read(o); err != nil {
			return err
		}
		if o.number == 0 || o.State > OperationCancelled || slices.Contains(o.Steps, nil) {
			return e.wrong("is no operation")
		}
		r.operations = append(r.operations, o)
	case bucketEvents:
		var k keptReport
		if err := e.read(&k); err != nil {
			return err
		}
		if k.Count >= 1<<62 {
			return e.wrong("is no report")
		}
		r.reports = append(r.reports, k)
	case bucketMeta:
		if into := map[string]any{metaBoot: &r.boot, metaTag: &c.tag, metaRestore: &c.restore, metaDamage: &r.damage}[e.Key]; into != nil {
			return e.read(into)
		}
	}
	return nil
}

// remembered takes up what was remembered.
func (c *Core) remembered(r recollection) {
	c.recall(r.reports)
	booted := r.boot != "" && r.boot != c.clock.BootID
	if c.clock.BootID != "" && r.boot != c.clock.BootID {
		c.keep(entry(bucketMeta, metaBoot, c.clock.BootID))
	}
	if c.damage != "" {
		c.tag, c.restore = tagOf(c.cfg.Seed), nil
		c.keep(entry(bucketMeta, metaTag, c.tag)) // what ran before the damage must not have the name of what comes after
	}
	c.afterBoot = booted && c.damage == ""
	for _, o := range r.operations {
		c.newest = max(c.newest, o.number)
		c.operations = append(c.operations, o)
		if o.Begun.BootID != c.clock.BootID {
			o.rebase(c.clock)
		}
		for _, s := range o.Steps {
			s.node = c.byNode[s.Node]
		}
		if o.State == OperationRunning {
			c.running = append(c.running, o)
			c.resume(o, r.records, booted)
		}
	}
	for name, record := range r.records {
		if task := &record.Task; task.Kind != power.TaskNone && !c.resumed(task.Operation, name) {
			*task, record.Cut = power.Task{}, "" // its operation is not known to run: nobody waits for it
		}
	}
}

// resumed reports whether a step of an operation goes on.
func (c *Core) resumed(id, node string) bool {
	return slices.ContainsFunc(c.running, func(o *operation) bool {
		s := o.step(node)
		return o.id == id && s != nil && s.State == StepRunning
	})
}

// tagOf is three letters and digits of a seed.
func tagOf(seed uint64) string {
	const size = 36 * 36 * 36
	return fmt.Sprintf("%03s", strconv.FormatUint(seed%size, 36))
}

// resume takes up an operation that was under way. Its steps' machines remember their tasks; what has no machine that
// does was just ending, or has just not begun.
func (c *Core) resume(o *operation, records map[string]*power.Record, booted bool) {
	for _, s := range o.Steps {
		record := records[s.Node]
		switch {
		case s.over():
		case c.damage != "":
			s.State, s.Message = StepFailed, "the memory on disk was damaged meanwhile: look, and ask again if needed"
			c.changing(o)
		case s.node == nil:
			s.State, s.Message = StepFailed, "no longer in the configuration"
			c.changing(o)
		case s.State != StepRunning:
		case s.node.cfg.Power.Master:
			if booted {
				s.State, s.Message = StepDone, "the master has booted anew since"
				c.changing(o)
			} // else it is asked again: its agent does nothing twice
		case record != nil && record.Task.Operation == o.id && record.Task.Kind != power.TaskNone:
		default:
			c.interrupted(o, s)
		}
	}
}

// rebase moves the times of an operation of an earlier boot of the master, so that the last one is now.
func (o *operation) rebase(clock power.Instant) {
	last := max(o.Begun.Boottime, o.Ended.Boottime)
	for _, s := range o.Steps {
		for _, m := range s.Milestones {
			if m.At.BootID == o.Begun.BootID {
				last = max(last, m.At.Boottime)
			}
		}
	}
	move := func(at *power.Instant) {
		switch *at {
		case power.Instant{}:
			return
		}
		since := last
		if at.BootID == o.Begun.BootID || at.BootID == "" {
			since = at.Boottime
		}
		*at = power.Instant{BootID: clock.BootID, Boottime: clock.Boottime - (last - since)}
	}
	for _, s := range o.Steps {
		for i := range s.Milestones {
			move(&s.Milestones[i].At)
		}
	}
	move(&o.Ended)
	move(&o.Begun)
}
