package sim

import (
	"math"
	"time"
)

// The figures of the plant; the package doc says where each comes from.
const (
	fastKelvin  = 7.5                     // of full load, above the board mode
	fastTime    = 3200 * time.Millisecond // of the fast mode
	slowness    = 2.5                     // s/K, time of the board mode per kelvin of its resistance
	idleHeat    = 0.4                     // of full heat, with no load
	haltedHeat  = 0.05                    // of full heat, halted with power on (ASSUMED)
	bootLoad    = 0.6                     // while booting (ASSUMED)
	stopLoad    = 0.3                     // while shutting down (ASSUMED)
	stillAirRPM = 350                     // what a standing fan counts as (ASSUMED)

	throttleCelsius  = 80.0 // Arm clocks begin to fall
	throttledCelsius = 85.0 // and are at their lowest
	lowestClock      = 600e6
	softHeat         = 0.8 // of the heat at the 3B+ soft limit (ASSUMED)

	minAmbient, maxAmbient = -20.0, 60.0 // C
	roomTime               = 60 * time.Second
	blockedTime            = 150 * time.Millisecond // of a blocked rotor (ASSUMED)

	underVoltage = 4.63 // V, Raspberry Pi documentation, power-supplies
)

// lookEvery is how often the firmware compares temperatures with its limits
// (ASSUMED).
const lookEvery = time.Second

// plant holds what one tick needs and what does not change between ticks.
type plant struct {
	resistance, timeScale, thirdKelvin float64

	// What one tick takes off the distance to the target, of each mode.
	fast, third, room, fan, blocked float64

	rpm        float64 // the rpm for which the following two hold
	kelvin     float64 // B
	boardShare float64 // what one tick takes off in the board mode
}

func newPlant(cfg Config) plant {
	p := plant{
		resistance:  cfg.Resistance,
		timeScale:   cfg.TimeScale,
		thirdKelvin: cfg.ThirdMode.Kelvin,
		rpm:         -1,
	}
	p.fast = p.share(fastTime.Seconds())
	p.third = p.share(cfg.ThirdMode.Time.Seconds())
	p.room = p.share(roomTime.Seconds())
	p.fan = p.share(cfg.Fan.Lag.Seconds())
	p.blocked = p.share(blockedTime.Seconds())
	return p
}

// share returns the part of the way to its target that a first-order lag goes
// in one tick.
func (p *plant) share(seconds float64) float64 {
	return -math.Expm1(-tick.Seconds() / (seconds * p.timeScale))
}

// turn sets the rpm that cools the boards.
func (p *plant) turn(rpm float64) {
	if rpm == p.rpm {
		return
	}
	p.rpm = rpm
	p.kelvin = resistance(rpm, p.resistance)
	p.boardShare = p.share(slowness * p.kelvin)
}

// resistance returns B: by how many kelvin the board mode of a Pi 4 settles
// above the room at full heat.
func resistance(rpm, scale float64) float64 {
	return scale * (13.1 + 22.2*math.Pow(max(rpm, stillAirRPM)/1000, -0.85))
}

// rpmAt returns the rpm at which an NF-A4x20 5V PWM settles under a duty of 0
// to 1: straight lines through the measurements of one fan.
func rpmAt(duty float64) float64 {
	percent := 100 * duty
	switch {
	case percent < 7:
		return 0
	case percent <= 20:
		return 410 + 68*max(0, percent-10)
	default:
		return 53.1*percent + 102
	}
}

// tick moves heat, rpm and supply on by one tick, which ends now.
func (c *Case) tick() {
	p := &c.plant
	c.room += (c.roomTarget() - c.room) * p.room
	rpm := 0.0
	if c.fan != nil {
		rpm = c.fan.turn()
	}
	p.turn(rpm)
	c.volts = c.supplyVolts(c.supplyAmps())
	look := c.now%lookEvery == 0
	for _, b := range c.boards {
		b.heat()
		b.firmware(look)
	}
}

// roomTarget returns where the room is heading.
func (c *Case) roomTarget() float64 {
	if c.faults.has(FaultHotRoom) {
		return c.faults.values[FaultHotRoom]
	}
	return c.ambient
}

// settle puts every board where it ends up under its load and a duty held for
// ever, in the room as it is.
func (c *Case) settle(duty float64) {
	rpm := 0.0
	if c.fan != nil {
		rpm = rpmAt(duty)
	}
	c.plant.turn(rpm)
	for _, b := range c.boards {
		p, h := b.heats()
		b.fast = fastKelvin * p
		b.slow = c.plant.kelvin * h
		b.third = c.plant.thirdKelvin * h
	}
}

// heats returns the heat of the load and the heat in all, of a Pi 4's at full
// load.
func (b *Board) heats() (load, all float64) {
	scale := b.kind.heat
	switch b.phase {
	case phaseOff:
		return 0, 0
	case phaseHalted, phaseKept:
		return 0, haltedHeat * scale
	}
	load = b.drawnLoad() * b.slowdown
	return load * scale, (idleHeat + (1-idleHeat)*load) * scale
}

// drawnLoad returns what the board is busy with, 0 to 1.
func (b *Board) drawnLoad() float64 {
	switch b.phase {
	case phaseFirmware, phaseMounted:
		return bootLoad
	case phaseRunning:
		return b.load
	case phaseHeld, phaseAgentStopping, phaseUnmounting, phaseStalled, phaseSyncing:
		return max(stopLoad, b.load)
	default:
		return 0
	}
}

// heat moves the board's modes on by one tick.
func (b *Board) heat() {
	p := &b.c.plant
	load, all := b.heats()
	b.fast += (fastKelvin*load - b.fast) * p.fast
	b.slow += (p.kelvin*all - b.slow) * p.boardShare
	b.third += (p.thirdKelvin*all - b.third) * p.third
}

// celsius returns the board's true temperature.
func (b *Board) celsius() float64 {
	return b.c.room + b.fast + b.slow + b.third
}

// firmware sets the throttling flags and the slowdown that goes with them.
// Voltage is compared at every tick, temperature only when it looks.
func (b *Board) firmware(look bool) {
	if !b.phase.firmwareRuns() {
		return
	}
	if look {
		b.limits()
	}
	if b.c.volts < underVoltage {
		b.flags |= flagUnderVoltage | flagThrottled
		b.clock = lowestClock
		b.slowdown = min(b.slowdown, lowestClock/b.kind.clock)
	}
	b.sticky |= b.flags
}

// limits compares the temperature with the firmware's limits and forgets the
// flags that no longer hold.
func (b *Board) limits() {
	celsius := b.celsius()
	b.flags, b.slowdown, b.clock = 0, 1, b.kind.clock
	if b.kind.softLimit > 0 && celsius >= b.kind.softLimit {
		b.flags |= flagSoftLimit
		b.slowdown, b.clock = softHeat, b.kind.softClock
	}
	if celsius >= throttleCelsius {
		b.flags |= flagCapped | flagThrottled
		over := min(1, (celsius-throttleCelsius)/(throttledCelsius-throttleCelsius))
		b.clock -= over * (b.clock - lowestClock)
		b.slowdown = min(b.slowdown, b.clock/b.kind.clock)
	}
}
