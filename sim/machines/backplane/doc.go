// Package backplane is what joins the boards of a case when the boards are virtual machines: the wires between their
// GPIO lines, and the network switch.
//
// # Story
//
// Every board of a [Backplane] is a socket on which QEMU's device vhost-user-gpio-pci finds the other half of a GPIO
// chip (virtio-gpio, device 41 of the virtio specification 1.2, section 5.18). The guest's kernel drives and reads the
// chip's lines; what it drives reaches, through the wires, the inputs of the other boards and raises interrupts there:
//
//	b, err := backplane.New(backplane.Config{
//		Dir:    dir,
//		Boards: []backplane.Board{{Name: "master", Lines: 16}, {Name: "worker-1", Lines: 16}},
//		Wires:  []backplane.Wire{{Name: "done worker-1", Ends: []backplane.Pin{{"worker-1", 2}, {"master", 5}}}},
//	})
//	go b.Run(ctx)
//	// qemu ... -chardev socket,id=gpio,path=SOCKET -device vhost-user-gpio-pci,chardev=gpio
//	// with SOCKET = b.Socket("worker-1"), and the guest's memory shared
//	edges, err := b.Wait(ctx, 0)
//
// A guest finds its lines under the names of their wires. A [Switch] is the same for QEMU's network device "stream": an Ethernet switch with a port for each board.
//
// # Electricity
//
//   - A wire is high while anything drives it high, else low while anything drives it low, else at its pull.
//   - A line drives while its direction is output. A line that the guest lets go of, drives nothing.
//   - A line keeps what it does when its machine ends, as the pin of a processor that has halted does, until
//     [Backplane.Release] says that the board was reset or lost its power, or until the board's next machine connects.
//   - [Backplane.Hold] is a short circuit: the wire has that level, whatever anybody drives.
//
// # Guarantees
//
//   - Every change of a wire is an [Edge] with its time, in one order for all wires, and none is ever dropped.
//   - An edge that comes while the guest has not yet taken the one before is remembered, once for each line.
//   - A machine that breaks the protocol loses its connection; it harms no other.
//   - All methods may be called from any goroutine, and none blocks but Wait and Run.
//   - Guests and this process must have the byte order of little endian.
package backplane
