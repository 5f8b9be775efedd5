// Package system tries the real binaries, under the real systemd units, on a real kernel. It holds tests only, behind the
// build tag system, for they start machines:
//
//	go test -count=1 -v -tags system ./sim/machines/system
//
// TestMachine installs what deploy/install installs into one x86 machine with the simulated Pi hardware of pi-sim, and
// then tells a story: who runs as whom, heat, flags, the fan and its speed, chips that change their numbers, crashes and
// hangs, a configuration that is gone, and what happens to the rail of a worker that is on: nothing, until the machine is
// powered off and the worker has proved that it is down. TestBoards runs the agents for ARM on emulated Raspberry Pis, and a
// coordinator on this machine that listens to both of them. The two run beside each other.
//
// Times are measured inside the machine, by its own clock, and everything else waits for a condition: a translated machine
// is slow, and slower beside others.
package system
