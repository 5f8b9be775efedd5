// Package pico5 is the reference case as virtual machines: a master and four workers, each with Debian's kernel, systemd
// and bramble as deploy/install installs it, wired to each other as the boards of the real case are.
//
// # Story
//
// [New] builds the machines' image, gives each a disk of its own and lays the wires. [Case.Run] plugs the case in. The
// master boots; each worker has power while the master's GPIO line says so, and then a machine runs in its place:
//
//	c, err := pico5.New(ctx, pico5.Config{Dir: dir, Log: log.Printf})
//	go c.Run(ctx)
//	m, err := c.Machine(ctx, "master")
//	_, err = m.Output(ctx, "bramblectl case start --wait")
//
// What the case does is seen from outside, whatever the machines believe: [Case.Wires] has recorded every edge of every
// wire with its time, and [Case.Cuts] has what the disk of each board was like when its power went.
//
// # The case
//
//   - Wires rail-N lead from line N of the master's chip virtio5 to the MOSFET of worker-N, and have a pull-down. Wires
//     done-N lead from line 2 of worker-N's chip virtio5 to line 8+N of the master's. Wire mains is the master's power,
//     which a person switches: [Case.Mains].
//   - A rail that falls kills the worker's QEMU at once, with its disk as it is. It is hurt if, before anything repairs
//     it, its journal needs recovery or its state is not clean.
//   - A board that has switched itself off keeps its lines until its power goes; one that resets lets go of them and
//     boots again. The master lets go of its lines in both cases, as a Raspberry Pi does that has no gpio-poweroff.
//   - The nodes are in the network 10.77.0.0/24, the master is 10.77.0.1 and worker-N is 10.77.0.N+1. They prove who
//     they are to each other with the certificates of one authority.
//   - Heat, throttling and the fan are those of a sim.Case, [Case.Heat], whose boards and fan the machines' simulated
//     hardware shows and drives.
//
// # Guarantees
//
//   - All machines are gone when Run returns.
//   - Rails are followed edge by edge: none is missed, however short it was.
//   - All methods may be called from any goroutine. None blocks but New, Run, Await and Machine.
package pico5
