package core

import (
	"fmt"
	"slices"
	"time"
)

const (
	// A set-point stays so far under the limit: a processor's moves by 8 K in seconds and is followed closely, a disk is
	// slow and lives longer when it is cooler.
	socGapCelsius   = 5
	otherGapCelsius = 15
	// limitGapCelsius is how far under its limit a sensor must be again before its alarm ends.
	limitGapCelsius = 2
	// A limit outside these is no limit: NVMe drives without a threshold state 65262 C.
	leastLimitCelsius = 40
	mostLimitCelsius  = 125
	// A reading outside these is no temperature of a board that answers.
	leastCelsius = -40
	mostCelsius  = 125
)

// sensor is one sensor of a node with its newest value.
type sensor struct {
	Sensor
	reading Reading   // the newest; its error says why there is no value
	celsius float64   // the newest good one
	good    time.Time // when that was taken, while the sensor fails; zero when there never was one
	gone    bool      // the agent no longer lists it
	raised  alarms
}

// describe replaces the sensors. What is remembered of one that stays, by name, is kept. A processor's sensor does not
// leave its board: one that is no longer listed within a boot has failed. before is when the last sample was taken that
// the old ones belong to.
func (c *Core) describe(n *node, info *NodeInfo, before time.Time) {
	old := n.sensors
	rebooted := n.info.BootID != info.BootID
	n.info = *info
	n.sensors = make([]sensor, len(info.Sensors))
	for i, s := range info.Sensors {
		next := &n.sensors[i]
		for j := range old {
			if old[j].Name == s.Name && old[j].Kind == s.Kind {
				*next = old[j].leave(before)
			}
		}
		next.Sensor, next.gone = s, false
		next.reading = Reading{SensorID: s.ID, Error: "the agent sent no reading of it"} // unless one follows
	}
	for i := range old {
		s := &old[i]
		taken := slices.ContainsFunc(info.Sensors, func(listed Sensor) bool { return listed.Name == s.Name })
		if s.Kind == SensorSoC && n.followed(s) && !rebooted && !taken && len(n.sensors) < maxSensors {
			kept := s.leave(before)
			kept.gone, kept.reading.Error = true, "the agent no longer lists it"
			n.sensors = append(n.sensors, kept)
		}
		c.acquit(n, s, "the sensor is gone")
	}
}

// leave hands a sensor over to the next list, with its alarms.
func (s *sensor) leave(before time.Time) sensor {
	next := *s
	next.fail(before)
	s.raised = 0
	return next
}

// read takes one reading.
func (n *node) read(r *Reading, before time.Time) {
	s := n.sensor(r.SensorID)
	if s == nil || s.gone {
		return
	}
	reading := *r
	if s.Kind.Temperature() && r.Error == "" && !(r.Celsius >= leastCelsius && r.Celsius <= mostCelsius) {
		reading.Error = fmt.Sprintf("%g C is no temperature of a board that answers", r.Celsius)
	}
	if reading.Error != "" {
		s.fail(before)
	} else {
		s.celsius = r.Celsius
	}
	s.reading = reading
}

// fail remembers when a sensor was last good.
func (s *sensor) fail(before time.Time) {
	if s.reading.Error == "" {
		s.good = before
	}
}

// sensor finds one by the number that readings use, mostly its place.
func (n *node) sensor(id uint32) *sensor {
	if i := int(id) - 1; i >= 0 && i < len(n.sensors) && n.sensors[i].ID == id {
		return &n.sensors[i]
	}
	for i := range n.sensors {
		if n.sensors[i].ID == id {
			return &n.sensors[i]
		}
	}
	return nil
}

// limit is the temperature that a sensor must not reach; 0 when none is known.
func (n *node) limit(s *sensor) float64 {
	switch {
	case !s.Kind.Temperature():
		return 0
	case s.Kind == SensorSoC && n.cfg.LimitCelsius > 0:
		return n.cfg.LimitCelsius
	case s.Kind == SensorSoC && isLimit(n.info.Board.LimitCelsius):
		return n.info.Board.LimitCelsius
	case isLimit(s.LimitCelsius):
		return s.LimitCelsius
	}
	return 0
}

func isLimit(celsius float64) bool {
	return celsius >= leastLimitCelsius && celsius <= mostLimitCelsius
}

// setPoint is the temperature that a fan with its own set-point holds a sensor at; 0 when it does not follow it.
func (n *node) setPoint(s *sensor, fanCelsius float64) float64 {
	limit := n.limit(s)
	if s.Kind != SensorSoC {
		return max(limit-otherGapCelsius, 0)
	}
	celsius := fanCelsius
	if n.cfg.SetPointCelsius > 0 {
		celsius = n.cfg.SetPointCelsius
	}
	if limit > 0 {
		celsius = min(celsius, limit-socGapCelsius)
	}
	return celsius
}

// followed reports whether any fan heeds the sensor.
func (n *node) followed(s *sensor) bool {
	return len(n.fans) > 0 && (s.Kind == SensorSoC || s.Kind.Temperature() && n.limit(s) > 0)
}

// newest is when the newest good value of any temperature that a fan follows was taken, and whether one is good now. It
// is zero when there never was one.
func (n *node) newest() (at time.Time, good bool) {
	for i := range n.sensors {
		s := &n.sensors[i]
		switch {
		case !n.followed(s):
		case s.reading.Error == "":
			return n.sampled, true
		case s.good.After(at):
			at = s.good
		}
	}
	return at, false
}
