// Package machines runs whole machines for the tests: Debian's kernel, systemd and
// real binaries under QEMU's translator, without hardware virtualisation and without
// a board. What reads /sys, asks a mailbox and counts edges meets a kernel here.
//
// # Story
//
// [Build] makes an [Image]: Debian's kernel, its modules, our own test modules and a
// root file system with systemd, dbus, polkitd, udev, i2c-tools and gpiod.
// [BuildBoard] makes one that boots on an emulated Raspberry Pi. Everything comes
// from Debian 12's packages through this machine's own apt configuration, and is kept
// in build/machines below the module, under names that carry the versions and a
// digest of what went in, so a second Build takes seconds. Old ones are not removed.
//
// [Image.Start] boots a machine from it and returns when it is up. [Machine.Run] runs
// a shell command in it as root, [Machine.Put] and [Machine.Get] move files,
// [Machine.Address] is where the host finds a port of it. [Machine.Kill] cuts its
// power, [Machine.Shutdown] switches it off.
//
//	image, err := machines.Build(ctx, t.Logf)
//	m, err := image.Start(ctx, machines.Config{
//		Name:  "worker-1",
//		Files: map[string]string{"/usr/local/bin/bramble-agent": "build/amd64/bramble-agent"},
//		Units: []string{"deploy/systemd/bramble-agent.service"},
//		Ports: []int{7600},
//	})
//	defer m.Kill()
//	_, err = m.Output(ctx, "modprobe pi-sim && systemctl start bramble-agent")
//
// [BuildWired] makes an image whose machines are wired to others: their GPIO lines and their network end in this process,
// see package backplane. [Image.Settle] makes one that has something installed already, and a machine with a Config.Disk
// keeps what it writes, as a board keeps its card.
//
// # Guarantees
//
//   - Every machine starts from the same clean image, and what it writes is gone when it ends, unless it has a disk of its own.
//   - Start returns only when systemd has started all it had to, on a board when its
//     helper answers. A machine that dies says so in every call at once, with the last
//     lines of its console.
//   - Requests travel on a channel of their own (a virtio port, on a board a TCP port), so
//     nothing on the console disturbs them. All methods may be called from any goroutine.
//   - No deadline is built in but those of Start and Shutdown, which have a wide margin:
//     translated machines are twice as slow on a busy host. Wait for conditions; [Machine.Until]
//     does.
//   - Machines see no network but the host's connections to Config.Ports, and what Config.Ethernet leads to.
//   - A machine dies with the process that started it.
//
// # What a machine has
//
// As root: modprobe pi-sim, gpio-sim, gpio-virtio, i2c-stub, lm75, adt7475, emc2103, i2c-dev. The interface
// eth0 is up with 10.0.2.15; debugfs and configfs are mounted; bash, busctl, i2cset, gpiodetect and systemd-run
// are there. No rule of udev gives hardware to a group: what bramble needs, bramble
// installs. The journal is kept in memory.
//
// modules/pi-sim/README says what the simulated Raspberry Pi hardware offers.
//
// An emulated board runs from memory with busybox and no systemd; what works there is
// what QEMU and Debian's kernel for the board offer.
//
// # Needs
//
// Debian 12 on amd64, apt's package lists within reach, and root for the first Build,
// which installs QEMU, mmdebstrap and the kernel's headers. An error says in one line
// what is missing.
package machines
