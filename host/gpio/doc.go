// Package gpio finds header pins through the kernel's GPIO character devices, drives rails, watches
// shutdown-complete lines and reads a fan's tachometer.
//
// A pin is named by its chip's label and its offset there, never by the chip's number: on a
// Raspberry Pi 5 the header was gpiochip4, then gpiochip0, and above gpiochip10 on later
// kernels. Symbolic links such as the /dev/gpiochip4 of Raspberry Pi OS are skipped, chips that
// do not carry the label are ignored.
//
// [Chips] and [Inspect] only ask for line information. They never request a line: letting go of
// a request that was made to look at a pin turns a pin in an alternate function, such as PWM or
// UART, into an input (bcm2835_pmx_free in drivers/pinctrl/bcm/pinctrl-bcm2835.c).
//
// An [Output] is a rail. Opening it changes nothing at the pin: it gets the level that it had. An
// [Input] is a shutdown-complete line; the kernel stamps its edges and queues 64 of them even while
// no process lives. The level of a line that nobody holds is anybody's guess ([Persistence]), so both
// are made to outlive their process: hand FD to somebody who keeps it, such as systemd's store of
// descriptors, and give what comes back to [OpenOutput] or [OpenInput] at the next start. Descriptors
// are bare numbers that nothing closes behind your back.
//
// [Tach] holds one line while its Run runs: an input with pull-up, falling edges, a kernel queue
// of 1,024 edges and no debouncing, which would work in jiffies and stamp an edge at the end of
// its period (Documentation/userspace-api/gpio). Its stamps are CLOCK_MONOTONIC, which
// [Monotonic] reads too. A storm of edges is switched off before it eats a processor and tried
// again later.
//
// Everything here works with read access to /dev/gpiochip*, which group gpio has on Raspberry Pi
// OS, and needs Linux 5.10.
package gpio
