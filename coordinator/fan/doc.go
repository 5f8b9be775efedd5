// Package fan decides how fast one fan turns. It is arithmetic only: it has no
// clock, no goroutine and no I/O. Its owner calls Controller.Step about once a
// second with what it knows, writes the duty that comes back, and keeps or
// prints the Decision that says why.
//
// # The rule in fair weather
//
// Every input is a temperature with its own set-point. The input that is
// furthest over its set-point (or least under it) leads, so boards and disks
// with different limits share one fan. A PI controller, with an optional
// derivative and an optional feed-forward from a rising slope, turns the
// leader's error into a duty:
//
//	error     = measured - set-point        positive is too hot
//	unlimited = gain(duty) * error + integral + derivative + feed-forward
//
// All gains are positive, so a sign cannot be set wrong. The measurement is
// smoothed before anything else uses it, because sensors step by half a kelvin.
// A fan cools far more per turn when it is slow than when it is fast, so the
// gain is divided by the plant's own gain at the present duty (Config.Schedule).
//
// The unlimited duty then passes the limits in this order: minimum and maximum,
// slew, the hold while a board boots, resolution, and the kick that starts a
// standing fan. The integral is corrected by what these took away
// (back-calculation), so it never winds up, and it is set anew from the present
// duty whenever the rule takes over again (after fail-safe, an override, a stop
// or a changed set-point), so the duty never jumps.
//
// # The rule in foul weather
//
// Whatever is not known is taken to be hot. The duty is 1, at once and past the
// slew limit, from the start until every input is known, and later whenever
//
//   - an input has no reading, an old one, or one that cannot be true,
//   - an input is at or over its own limit, until all are under it by a gap,
//   - the fan turns at less than half the speed it should, after one kick,
//   - the tachometer cannot be read for as long as an input may be silent,
//   - the last write of the duty failed,
//   - the configuration is not valid.
//
// When the cause is gone and the leader is not over its set-point, the duty
// leaves 1 at once and then falls no faster than Config.SlewDown.
//
// An empty list of inputs is not an unknown: the owner leaves out only what is
// known to be without power, or what it was told to leave alone. Then the duty
// falls at the slew limit to the minimum, or to 0 where the fan may stop and all
// that it cools is known to be without power (Input.Absent). A node that is listed and silent is
// unknown, and means full.
//
// # Guarantees
//
// For every sequence of inputs the duty is 0 or between Config.MinimumDuty and
// 1, never NaN; it is 0 only when Config.MayStop; no override is obeyed while
// any of the causes above holds. A `now` that stands still, runs backwards or
// jumps by years changes the duty no more than a late call would: all that is
// timed here counts elapsed time, and a single step counts at most
// Config.InputTimeout. Only an override may end early by such a jump; none
// lasts longer for it than to the next call.
//
// A Controller is not safe for concurrent use. Step allocates nothing while the
// list of inputs stays the same.
package fan
