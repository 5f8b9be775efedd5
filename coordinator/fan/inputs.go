package fan

import "time"

const (
	// lagCelsius bounds how far a smoothed value may trail the measured one. It
	// is six steps of a Pi's sensor, so noise never meets it.
	lagCelsius = 3
	// frozenAfter and frozenSwing: a value that has been the same for so long
	// while the duty moved by so much is not from a live sensor. Sensors step by
	// half a kelvin, so a short stillness means nothing.
	frozenAfter = 30 * time.Minute
	frozenSwing = 0.20
)

// track is what is remembered of one input.
type track struct {
	node, sensor string

	believed           bool    // the last reading was
	celsius            float64 // as measured
	filtered, slope    float64 // smoothed; kelvins per second
	setPoint           float64
	same               time.Duration // for how long celsius has been what it is
	leastDuty, topDuty float64       // meanwhile
}

// survey is what all inputs together say. The pointers are nil where there is
// no such input.
type survey struct {
	booting  bool       // a node boots
	leader   *track     // the believed input that is furthest over its set-point
	leading  *NodeInput // the same
	worst    float64    // and by how much, smoothed
	unknown  *NodeInput // the first that is not believed
	fault    InputFault // and why
	hottest  *NodeInput // the first at or over its limit less limitGapCelsius
	reached  bool       // one of these is at or over its limit itself
	setPoint bool       // a set-point changed
	frozen   *track     // the one whose value has stood still the longest
}

// survey updates the memory of every input and says what matters of them. duty
// is what the fan was told until now.
func (c *Controller) survey(nodes []NodeInput, duty float64, elapsed time.Duration) survey {
	c.match(nodes)
	c.frozen = c.frozen[:0]
	var s survey
	for i := range nodes {
		in, t := &nodes[i], &c.tracks[i]
		if in.Booting {
			s.booting = true
			t.believed = false
			continue
		}
		if fault := in.fault(&c.cfg); fault != InputGood {
			t.believed = false
			if s.unknown == nil {
				s.unknown, s.fault = in, fault
			}
			continue
		}
		s.setPoint = s.setPoint || t.believed && t.setPoint != in.SetPointCelsius
		t.update(&c.cfg, in, duty, elapsed)
		if e := t.filtered - t.setPoint; s.leader == nil || e > s.worst {
			s.leader, s.leading, s.worst = t, in, e
		}
		if in.overLimit(limitGapCelsius) && (s.hottest == nil || !s.reached && in.overLimit(0)) {
			s.hottest, s.reached = in, in.overLimit(0)
		}
		if t.frozen() {
			c.frozen = append(c.frozen, InputName{Node: t.node, Sensor: t.sensor})
			if s.frozen == nil || t.same > s.frozen.same {
				s.frozen = t
			}
		}
	}
	return s
}

func (t *track) update(cfg *Config, in *NodeInput, duty float64, elapsed time.Duration) {
	if !t.believed {
		*t = track{node: t.node, sensor: t.sensor, believed: true, filtered: in.Celsius, celsius: in.Celsius, leastDuty: duty, topDuty: duty}
	}
	t.setPoint = in.SetPointCelsius
	if in.Celsius != t.celsius {
		t.celsius, t.same, t.leastDuty, t.topDuty = in.Celsius, 0, duty, duty
	} else {
		t.same += elapsed
		t.leastDuty, t.topDuty = min(t.leastDuty, duty), max(t.topDuty, duty)
	}
	dt := elapsed.Seconds()
	if dt == 0 {
		return
	}
	before := t.filtered
	t.filtered += (t.celsius - t.filtered) * dt / (cfg.FilterTime.Seconds() + dt)
	t.filtered = min(max(t.filtered, t.celsius-lagCelsius), t.celsius+lagCelsius)
	t.slope = (t.filtered - before) / dt
}

func (t *track) frozen() bool {
	return t.same >= frozenAfter && t.topDuty-t.leastDuty >= frozenSwing
}

// match makes tracks line up with nodes, keeping what is remembered of those
// that stay.
func (c *Controller) match(nodes []NodeInput) {
	aligned := len(nodes) == len(c.tracks)
	for i := 0; aligned && i < len(nodes); i++ {
		aligned = c.tracks[i].is(&nodes[i])
	}
	if aligned {
		return
	}
	next := c.spare[:0]
	for i := range nodes {
		t := track{node: nodes[i].Node, sensor: nodes[i].Sensor}
		for j := range c.tracks {
			if c.tracks[j].is(&nodes[i]) {
				t = c.tracks[j]
				break
			}
		}
		next = append(next, t)
	}
	c.tracks, c.spare = next, c.tracks
}

func (t *track) is(in *NodeInput) bool { return t.node == in.Node && t.sensor == in.Sensor }
