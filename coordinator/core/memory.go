package core

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

const (
	bucketNodes      = "nodes"
	bucketOperations = "operations"
	bucketEvents     = "events"
	bucketMeta       = "meta"

	metaBoot    = "boot"    // the master's, when it was last written
	metaTag     = "tag"     // in the names of operations, since a memory was lost
	metaRestore = "restore" // the nodes that a shutdown of the master has stopped
	metaDamage  = "damage"  // what was found damaged here, until it is acknowledged

	// retryStore is between two tries to write.
	retryStore = time.Second
	// latestReports is how long reports wait for something else to be written: they are of less worth than the life of a
	// card, and a flapping link must not wear it out.
	latestReports = 10 * time.Minute
)

// storeSubject is whom the alarm about the memory is about.
const storeSubject = "store"

// memory is what is on its way to disk.
type memory struct {
	kept    bool   // there is one
	damage  string // what was found damaged, until it is acknowledged
	failure error  // why the last write failed
	retry   time.Time
	raised  alarms

	number uint64 // of the newest Store
	flying bool   // it is under way

	dirtyNodes, flyingNodes           []*node
	dirtyOperations, flyingOperations []*operation
	loose, flyingLoose                []Entry // and what else is written whole
	urgent                            bool    // the reports include one that must not be lost
	waiters, flyingWaiters            []waiter
}

// waiter is a person's request that is answered once it is on disk.
type waiter struct {
	ticket    uint64
	operation *operation // nil where none is concerned
	plan      []PlannedStep
	begun     bool // it is in force already, and cannot be taken back
}

// unwritten reports whether what a node's machine wants remembered is not on disk yet.
func (n *node) unwritten() bool { return n.dirty || n.flying > 0 }

// remember has a node's record written.
func (c *Core) remember(n *node) {
	if !n.dirty {
		n.dirty = true
		c.dirtyNodes = append(c.dirtyNodes, n)
	}
}

// keep has one more entry written.
func (c *Core) keep(e Entry) { c.loose = append(c.loose, e) }

// usable reports whether anything may be switched, as far as the memory goes.
func (c *Core) usable() bool { return c.failure == nil && c.damage == "" }

// flush has everything written that is not on disk, if any of it matters now.
func (c *Core) flush() {
	matters := len(c.dirtyNodes)+len(c.dirtyOperations)+len(c.loose)+len(c.waiters) > 0 || c.urgent || c.reportsDue()
	if !matters || c.flying || c.failure != nil && c.now.Before(c.retry) {
		return
	}
	c.flyingNodes, c.dirtyNodes = c.dirtyNodes, c.flyingNodes[:0]
	c.flyingOperations, c.dirtyOperations = c.dirtyOperations, c.flyingOperations[:0]
	c.flyingLoose, c.loose = c.loose, c.flyingLoose[:0]
	c.flyingWaiters, c.waiters = c.waiters, c.flyingWaiters[:0]
	for _, n := range c.flyingNodes {
		n.dirty, n.flying = false, n.persist
	}
	for _, o := range c.flyingOperations {
		o.dirty, o.flying = false, true
	}
	c.urgent = false
	if !c.kept {
		c.flyingReports = c.nextReport
		c.written()
		return
	}
	c.number++
	c.flying = true
	c.emit(Store{Number: c.number, Entries: c.entries()})
}

// entries are what is to be written, in a fixed order.
func (c *Core) entries() []Entry {
	entries := append([]Entry(nil), c.flyingLoose...)
	for _, n := range c.flyingNodes {
		entries = append(entries, entry(bucketNodes, n.cfg.Name, n.machine.Record()))
	}
	for _, o := range c.flyingOperations {
		entries = append(entries, entry(bucketOperations, o.id, o))
	}
	return c.reportEntries(entries)
}

// entry never fails: what is kept is plain data.
func entry(bucket, key string, value any) Entry {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("core: %s/%s: %v", bucket, key, err))
	}
	return Entry{Bucket: bucket, Key: key, Value: text}
}

// stored takes what became of a Store.
func (c *Core) stored(ev Stored) {
	if !c.flying || ev.Number != c.number {
		return
	}
	c.flying = false
	c.failure = ev.Err
	c.moved = true
	if ev.Err != nil {
		c.unstored()
	} else {
		c.written()
	}
	c.healthAlarm()
}

// written goes on with all that waited for the last write.
func (c *Core) written() {
	for _, n := range c.flyingNodes {
		number := n.flying
		if n.flying = 0; c.damage != "" && n.machine.Record().Cut != "" {
			n.pending = number // nothing is cut before the damage is acknowledged
			continue
		}
		c.tell(n, power.Persisted{Number: number})
	}
	for _, o := range c.flyingOperations {
		if o.flying = false; !o.durable {
			o.durable = true
			c.begun(o)
		}
	}
	c.writtenReports = c.flyingReports
	for _, w := range c.flyingWaiters {
		c.emit(w.answer(c))
	}
	c.forget()
}

func (w *waiter) answer(c *Core) Answer {
	a := Answer{Ticket: w.ticket, Plan: w.plan}
	if w.operation != nil {
		a.Operation = new(c.viewOperation(w.operation))
	}
	return a
}

// unstored takes everything back that the last write was to hold. A request that has not begun is refused: its caller
// would not know whether to ask again.
func (c *Core) unstored() {
	c.retry = c.now.Add(retryStore)
	c.soon(c.retry)
	for _, n := range c.flyingNodes {
		n.flying = 0
		c.remember(n)
	}
	c.loose = append(c.flyingLoose, c.loose...)
	c.flyingLoose = nil
	for _, w := range append(c.flyingWaiters, c.waiters...) {
		text := "what was asked holds, but is not on disk yet and may be lost with the coordinator"
		if !w.begun {
			text = "nothing was begun"
			c.discard(w.operation)
		}
		c.emit(Refuse{Ticket: w.ticket, Err: fmt.Errorf("%w: %w: %s; %s", ErrStore, c.failure, text, freeSpace)})
	}
	c.waiters = c.waiters[:0]
	for _, o := range c.flyingOperations {
		if o.flying = false; o.number > 0 {
			c.changing(o)
		}
	}
	c.urgent = true
}

const freeSpace = "check the disk's space and its health"

// discard takes an operation back that nobody was promised.
func (c *Core) discard(o *operation) {
	o.number = 0
	c.operations = without(c.operations, o)
	c.running = without(c.running, o)
	c.dirtyOperations = without(c.dirtyOperations, o)
	o.dirty = false
	c.keep(Entry{Bucket: bucketOperations, Key: o.id}) // for the write may have been done all the same
}

// forget drops what has ended longest, where there is too much of it.
func (c *Core) forget() {
	for len(c.operations)-len(c.running) > keptOperations {
		for i, o := range c.operations {
			if o.State != OperationRunning {
				c.operations = append(c.operations[:i:i], c.operations[i+1:]...)
				c.dirtyOperations = without(c.dirtyOperations, o)
				c.keep(Entry{Bucket: bucketOperations, Key: o.id})
				break
			}
		}
	}
}

func without(all []*operation, o *operation) []*operation {
	var rest []*operation
	for _, other := range all {
		if other != o {
			rest = append(rest, other)
		}
	}
	return rest
}

// StoreHealth returns how well the memory on disk is.
func (c *Core) StoreHealth() StoreView {
	switch {
	case !c.kept:
		return StoreView{Health: StoreNone}
	case c.damage != "":
		return StoreView{Health: StoreDamaged, Message: fmt.Sprintf(
			"the memory on disk was damaged (%s) and begun anew: nothing is switched until a person has looked and says bramblectl store acknowledge", c.damage)}
	case c.failure != nil:
		return StoreView{Health: StoreFailed, Message: fmt.Sprintf(
			"the memory on disk cannot be written (%v): nothing is switched until it can; %s; it is tried again every second", c.failure, freeSpace)}
	}
	return StoreView{Health: StoreGood}
}

func (c *Core) healthAlarm() {
	c.alarm(&c.memory.raised, AlarmStore, !c.usable(), storeSubject, "", func() string { return c.StoreHealth().Message }, "it can be written")
}

// acknowledge lets a damaged memory be used.
func (c *Core) acknowledge(ev AcknowledgeStore) {
	if c.damage == "" {
		c.emit(Refuse{Ticket: ev.Ticket, Err: fmt.Errorf("store: %w: it is not damaged", ErrInvalid)})
		return
	}
	c.emit(AcknowledgeDamage{})
	c.person(storeSubject, ev.By, "acknowledged that the memory was damaged: "+c.damage, "")
	c.damage = ""
	c.keep(Entry{Bucket: bucketMeta, Key: metaDamage})
	c.moved = true
	c.healthAlarm()
	for _, n := range c.nodes {
		if number := n.pending; number > 0 {
			n.pending = 0
			c.tell(n, power.Persisted{Number: number})
		}
	}
	c.waiters = append(c.waiters, waiter{ticket: ev.Ticket, begun: true})
}

func (e Entry) read(into any) error {
	if err := json.Unmarshal(e.Value, into); err != nil {
		return e.wrong(err.Error())
	}
	return nil
}

func (e Entry) wrong(what string) error {
	return fmt.Errorf("%s/%s cannot be read: %s", e.Bucket, e.Key, what)
}

// numberOf is the number in an operation's name.
func numberOf(id string) uint64 {
	end := len(id)
	for end > 0 && id[end-1] >= '0' && id[end-1] <= '9' {
		end--
	}
	n, err := strconv.ParseUint(id[end:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
