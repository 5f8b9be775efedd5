package fan

// Point is one corner of a piecewise straight line over the duty.
type Point struct {
	// Duty is the fraction of full drive, 0 to 1.
	Duty float64
	// Value is the line's height there, in the unit that the line states.
	Value float64
}

// Curve is the speed of a healthy fan over its duty: each Value is in rpm.
// Duties rise from point to point. It is what a tachometer's reading is held
// against.
type Curve []Point

// Expected is the speed in rpm at a duty, on a straight line between the two
// nearest points; before the first and after the last point it stays level. An
// empty Curve expects 0.
func (c Curve) Expected(duty float64) float64 { return interpolate(c, duty) }

// DefaultCurve is a Noctua NF-A4x20 5V PWM.
//
// From 20 % up it is the loaded sweep that was measured on one such fan at
// 25 kHz (github.com/renaudallard/pi_fan, README; Noctua's own anchors there
// are 1100 rpm at 20 % and 5000 rpm at 100 %). The points at 10 % and 15 % are
// from the same page. A 4-wire fan may differ from its curve by 10 % (Intel,
// "4-Wire Pulse Width Modulation Controlled Fans", revision 1.3), far less than
// the half that the stall verdict allows.
func DefaultCurve() Curve {
	return Curve{
		{0, 0}, {0.10, 417}, {0.15, 762}, {0.20, 1088}, {0.30, 1670}, {0.40, 2231},
		{0.50, 2808}, {0.60, 3358}, {0.70, 3874}, {0.80, 4386}, {0.90, 4849}, {1.00, 5323},
	}
}

// Schedule is how much the settled temperature falls per unit of duty, over the
// duty: each Value is in kelvins for a duty from 0 to 1, always positive.
// Duties rise from point to point.
type Schedule []Point

// Effect is the plant's gain at a duty in kelvins per unit of duty, interpolated
// as Curve.Expected is.
func (s Schedule) Effect(duty float64) float64 { return interpolate(s, duty) }

// DefaultSchedule is a Pi 4 with a 40 mm fan: the slope of
// T = 42.6 + 22.2 (rpm/1000)^-0.85, fitted to the settled temperatures of
// github.com/renaudallard/pi_fan with rpm = 5310 duty + 102. It falls
// seventeenfold from 20 % to 100 %.
func DefaultSchedule() Schedule {
	return Schedule{
		{0.20, 75.7}, {0.25, 51.7}, {0.30, 37.7}, {0.40, 22.8}, {0.50, 15.3},
		{0.60, 11.1}, {0.70, 8.4}, {0.80, 6.6}, {0.90, 5.3}, {1.00, 4.4},
	}
}

func interpolate(line []Point, x float64) float64 {
	for i, p := range line {
		if x >= p.Duty {
			continue
		}
		if i == 0 {
			return p.Value
		}
		q := line[i-1]
		return q.Value + (p.Value-q.Value)*(x-q.Duty)/(p.Duty-q.Duty)
	}
	if len(line) == 0 {
		return 0
	}
	return line[len(line)-1].Value
}
