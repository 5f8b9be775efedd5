package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// keptReports is how many reports are remembered, over restarts too.
const keptReports = 500

// diary holds the newest of what happened. Each has a place by its number, here and on disk, where a newer one takes the
// place of an older.
type diary struct {
	ring                          []Report
	firstReport, nextReport       uint64 // those that are remembered, by a count of all that ever were
	writtenReports, flyingReports uint64 // all before are on disk, or on their way
	oldest                        time.Time
}

// keptReport is how one stands on disk.
type keptReport struct {
	Count     uint64
	Kind      ReportKind
	Subject   string `json:",omitempty"`
	Message   string
	At        power.Instant
	Alarm     AlarmKind    `json:",omitempty"`
	Sensor    string       `json:",omitempty"`
	Flag      Flag         `json:",omitempty"`
	Shutdown  ShutdownKind `json:",omitempty"`
	Operation string       `json:",omitempty"`
	Power     power.State  `json:",omitempty"`
}

// log remembers a report.
func (c *Core) log(r Report) {
	if c.writtenReports == c.nextReport {
		c.oldest = c.now
		if c.kept {
			c.soon(c.now.Add(latestReports))
		}
	}
	if len(c.ring) < keptReports {
		c.ring = append(c.ring, Report{})
	}
	c.ring[c.nextReport%keptReports] = r
	c.nextReport++
	c.firstReport = max(c.firstReport, c.nextReport-uint64(len(c.ring)))
	c.urgent = c.urgent || r.Kind == ReportPerson
}

// reportsDue reports whether reports have waited long enough to be written by themselves.
func (c *Core) reportsDue() bool {
	return c.kept && c.writtenReports < c.nextReport && c.now.Sub(c.oldest) >= latestReports
}

// reportEntries adds those that are not on disk.
func (c *Core) reportEntries(entries []Entry) []Entry {
	for count := max(c.writtenReports, c.firstReport); count < c.nextReport; count++ {
		r := &c.ring[count%keptReports]
		entries = append(entries, entry(bucketEvents, fmt.Sprintf("%03d", count%keptReports), keptReport{
			Count: count, Kind: r.Kind, Subject: r.Subject, Message: r.Message, At: c.instant(r.At), Alarm: r.Alarm, Sensor: r.Sensor,
			Flag: r.Flag, Shutdown: r.Shutdown, Operation: r.Operation, Power: r.Power,
		}))
	}
	c.flyingReports = c.nextReport
	return entries
}

// recall takes the reports of earlier runs. Those of an earlier boot of the master count as having happened at the start:
// nobody knows how long it was off.
func (c *Core) recall(kept []keptReport) {
	slices.SortFunc(kept, func(a, b keptReport) int { return int(int64(a.Count - b.Count)) })
	if len(kept) == 0 {
		return
	}
	last := kept[len(kept)-1].Count
	c.ring = make([]Report, min(last+1, keptReports))
	c.firstReport = last + 1
	for _, k := range slices.Backward(kept) {
		if k.Count+1 != c.firstReport || last-k.Count >= keptReports {
			break // what is older than a gap has been overwritten, or should have been
		}
		c.firstReport = k.Count
		at := c.start
		if k.At.BootID == c.clock.BootID {
			at = c.time(k.At)
		}
		c.ring[k.Count%keptReports] = Report{
			Kind: k.Kind, Subject: k.Subject, Message: k.Message, At: at, Alarm: k.Alarm, Sensor: k.Sensor, Flag: k.Flag,
			Shutdown: k.Shutdown, Operation: k.Operation, Power: k.Power,
		}
	}
	c.nextReport, c.writtenReports, c.flyingReports = last+1, last+1, last+1
}

// Events returns at most limit of the newest reports that are remembered, those of earlier runs included, of one subject or
// of all where that is empty, oldest first.
func (c *Core) Events(limit int, subject string) []Report {
	var found []Report
	for count := c.nextReport; count > c.firstReport && len(found) < limit; count-- {
		if r := &c.ring[(count-1)%keptReports]; subject == "" || r.Subject == subject {
			found = append(found, *r)
		}
	}
	slices.Reverse(found)
	return found
}
