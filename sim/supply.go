package sim

// Supply is the converter that feeds the boards with 5 V.
type Supply struct{ c *Case }

// The supply's figures (ASSUMED): set a little high as such converters are,
// with the resistance of its leads, and folding back beyond its limit.
const (
	supplyVolts    = 5.1
	supplyOhms     = 0.01
	foldBackVolts  = 0.5
	foldBackOhms   = 0.2
	fanAmps        = 0.1 // NF-A4x20 5V PWM at full speed
	sagDefaultVolt = 0.6

	defaultLimitAmps = 15.0
)

// Amps returns the current that is drawn now.
func (s *Supply) Amps() float64 {
	s.c.lock()
	defer s.c.mu.Unlock()
	return s.c.supplyAmps()
}

// CommittedAmps returns the most that what is switched on could draw: fixed
// loads at their maximum, each board at its boot peak while it boots and at its
// maximum after, until its power is cut. Bramble keeps this under LimitAmps; the
// inrush of a fraction of a second is not in it.
func (s *Supply) CommittedAmps() float64 {
	s.c.lock()
	defer s.c.mu.Unlock()
	sum := s.c.cfg.Supply.FixedMaxAmps
	for _, b := range s.c.boards {
		switch b.phase {
		case phaseOff:
		case phaseFirmware, phaseMounted:
			sum += b.kind.bootAmps
		default:
			sum += b.kind.fullAmps
		}
	}
	return sum
}

// LimitAmps returns what the supply can give.
func (s *Supply) LimitAmps() float64 { return s.c.cfg.Supply.LimitAmps }

// Volts returns the voltage at the boards. Below 4.63 V they report
// under-voltage.
func (s *Supply) Volts() float64 {
	s.c.lock()
	defer s.c.mu.Unlock()
	return s.c.supplyVolts(s.c.supplyAmps())
}

func (c *Case) supplyAmps() float64 {
	sum := c.cfg.Supply.FixedAmps
	if c.fan != nil {
		sum += fanAmps * c.fan.rpm / rpmAt(1)
	}
	for _, b := range c.boards {
		sum += b.amps()
	}
	return sum
}

func (c *Case) supplyVolts(amps float64) float64 {
	volts := supplyVolts - supplyOhms*amps
	if over := amps - c.cfg.Supply.LimitAmps; over > 0 {
		volts -= foldBackVolts + foldBackOhms*over
	}
	if c.faults.has(FaultSupplySag) {
		volts -= c.faults.values[FaultSupplySag]
	}
	return max(0, volts)
}

// amps returns what the board draws now.
func (b *Board) amps() float64 {
	switch b.phase {
	case phaseOff:
		return 0
	case phaseHalted, phaseKept:
		return b.kind.haltAmps
	case phaseFirmware, phaseMounted:
		if b.c.now < b.inrush {
			return b.kind.bootAmps + inrushAmps
		}
		return b.kind.bootAmps
	default:
		return b.kind.idleAmps + (b.kind.fullAmps-b.kind.idleAmps)*b.drawnLoad()*b.slowdown
	}
}
