// Package pwm drives a fan's control wire through the kernel: a [Channel] of a PWM chip in
// /sys/class/pwm, or a [Hwmon] fan that a kernel driver owns, such as the one on a Pi 5's fan
// connector.
//
// Both have SetDuty, RPM and Safe, so that a fan controller need not know which it has. Neither
// is ever named by its number, which changes with the kernel and between boots.
//
// # A PWM channel
//
// The sysfs interface has one file per property (Documentation/driver-api/pwm.rst), so the order
// of writes matters. [Open] exports the channel, waits until udev has made its files writable,
// writes the period first (drivers/pwm/pwm-bcm2835.c refuses everything while it is below two
// clock cycles), then the polarity while the channel is still off, then the duty, full, and
// switches it on. A duty that does not fit into a shorter period is lowered before it. A channel
// that already runs is taken over with the duty that it has: the fan notices nothing.
//
// Afterwards the duty is written, and then that the channel is on, to files that stay open: the
// latter changes nothing unless another program has switched it off. A stopped fan is a duty of 0 on
// a channel that is on, for the level of a channel that is off is undefined. The channel is never
// unexported, and closing it leaves it running: on a Pi 5 an unexport stops the output
// (rp1_pwm_free in drivers/pwm/pwm-rp1.c).
//
// # Full speed
//
// Full speed is the safe state. A 4-pin fan whose control wire nobody drives runs at full speed
// (Intel, 4-Wire Pulse Width Modulation Controlled Fans, rev. 1.3), so a released pin is safe
// too, while a pin driven low is not. Safe, the method, works on an open fan; [Safe] and
// [SafeHwmon] need none: they do what can be done and judge by the outcome.
package pwm
