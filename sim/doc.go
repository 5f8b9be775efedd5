// Package sim is a case of single-board computers that behaves like a real
// one: boards that warm up and throttle, one fan with a tach that cools them,
// switched 5 V rails, boots and shutdowns with their shutdown-complete lines,
// a supply that sags, and faults in any of them. It stands where the hardware
// would stand, so that everything above it can be tried on a machine without
// a single board.
//
// # Story
//
// A [Case] is made from a [Config]; the zero Config is the reference case,
// [Pico5]: a Pi 4B master, a Pi 4B worker and three Pi 3B+ workers around one
// Noctua NF-A4x20 5V PWM on a 15 A supply. The parts are reached by name:
// [Case.Board] is what an agent sees of its board, [Case.Fan], [Case.Rail] and
// [Case.DoneLine] are the pins of the master, [Case.Supply] is the converter.
// [Case.Fault] breaks a part and [Case.Clear] mends it; [Case.Play] runs a
// [Scenario], which is loads and faults over time.
//
// # Time
//
// Time moves in one of two ways. [Case.Step] moves it by hand. [Case.Run] ties
// it to package time until its context ends: every call on the case then
// first brings it up to the present, so what is read does not depend on which
// goroutine ran first, and a testing/synctest bubble drives the case like any
// other timer. Make the case inside the bubble that runs it.
//
// # What is promised
//
//   - Driven by Step from one goroutine, a case is repeatable to the byte on
//     one architecture: the same Config, calls and times give the same values.
//     Noise is a function of the seed, the part and the instant, so reading a
//     sensor twice, or not at all, changes nothing.
//   - The length of the steps does not matter: heat and rpm live on a fixed
//     grid of 100 ms, everything else (edges, boots, scenario steps) happens at
//     its exact instant. One Step of a second and ten of 100 ms end in the same
//     bits. An input such as a duty set between two points of the grid counts
//     from the start of that tick, so it is at most 100 ms early.
//   - Temperatures are within 0.05 K of the equations below, solved exactly.
//   - Every method is safe for concurrent use. None blocks but Run and the
//     Watch methods, and none of those calls back while it holds the case.
//   - A step without an event allocates nothing.
//
// # The plant, and where its figures come from
//
// With p the heat of the load (0 to 1), h = 0.4 + 0.6 p, and s the case's
// resistance, a board's temperature is T = Troom + x1 + x2 where
//
//	x1' = (7.5 K p - x1) / 3.2 s
//	x2' = (B h - x2) / (2.5 s/K B)
//	B   = s (13.1 + 22.2 max(krpm, 0.35)^-0.85) K
//
// The form of B and its constants fit a settled sweep of 20 to 100 % duty on a
// Pi 4 with this very fan, four cores of stress-ng (github.com/renaudallard/pi_fan,
// README) within 0.2 K; the two modes and their times fit two hours of load
// steps at 1 Hz on a Pi 3 (github.com/sjchiass/pitemp) to less than one step of
// the sensor. [Config] can add the third, slow mode of a closed case. rpm is
// 53.1 per % of duty + 102 above 20 %, 410 + 68 per % above 10 % below that, and
// 0 below 7 % (pi_fan, the same fan).
//
// ASSUMED, for want of a source: 7.5 K for the fast mode of a Pi 4, 0.4 of the
// heat at idle, that one fan serves five boards alike (s), an rpm lag of 1.5 s
// and a stop within 0.15 s when it is blocked, a standing fan counting as 350
// rpm, a 3B+ making 0.92 of the heat of a Pi 4, and a room that follows its
// new temperature with 60 s.
//
// Limits follow Raspberry Pi's documentation (frequency-management): Arm
// clocks fall progressively between 80 and 85 C, a 3B+ drops from 1.4 to 1.2
// GHz at its soft limit of 60 C, under-voltage is reported below 4.63 V
// (power-supplies) and throttles too. ASSUMED: that the soft limit takes a fifth
// of the heat away, and that the firmware looks once a second. Sensor steps are
// those of the device trees: 0.487 C (BCM2711) and 0.538 C (BCM2837), with noise
// of 0.2 K.
//
// A shutdown ends as the gpio-poweroff overlay ends it (Linux,
// drivers/power/reset/gpio-poweroff.c): the done line goes high for 100 ms, low
// for 100 ms, high again, and after 3 s the fallback handler resets the chip
// and the line is lost. Or it ends as a program in systemd's system-shutdown
// folder ends it (systemd, src/shutdown/shutdown.c, which runs them before the
// last sync): the line goes high 20 to 140 ms before a cut is harmless, and
// stays high until the rail falls. A reboot never raises it. How long boots and
// shutdowns take is ASSUMED; each varies by 10 %, and a boot after a cut of
// mounted file systems checks them first.
//
// # Power
//
// Whenever a board loses its power while its file systems are mounted, that is
// a loss: [Case.Losses] lists each with its time, its board and who cut. The
// end of a shutdown, which [EventUnmounted] marks, is when a cut becomes
// harmless, whatever the done line says.
//
// What a person does at a board is [Board.PowerOff], [Board.Reboot] and
// [Board.Plug]; what its agent asks of the system is [Board.AskPowerOff],
// [Board.AskReboot], [Board.CancelShutdown] and [Board.PulseDoneLine]; what an
// agent announces comes from [Board.Watch]. [DoneLine.Watch] gives edges as a
// kernel does, each with its exact instant. Whoever steps the case itself takes
// both from [Case.Events].
//
// An undriven 4-wire fan runs at full speed (Intel, 4-Wire PWM Controlled Fans
// Specification, rev 1.3), and so does the fan of a new case; its boards start
// warm, settled at [Config] SettledDuty. No physical damage is simulated: boards
// neither brown out nor reach a critical trip.
package sim
