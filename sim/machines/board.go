package machines

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Board is a Raspberry Pi that QEMU emulates and Debian's kernel boots on.
type Board string

// The boards.
const (
	Raspi3B Board = "raspi3b" // Raspberry Pi 3 Model B, arm64
	Raspi0  Board = "raspi0"  // Raspberry Pi Zero, ARMv6: its binaries are built with GOARCH=arm GOARM=6
)

// parts are what a board is made of.
type parts struct {
	qemu         string
	meta         string // the package that names the newest kernel
	debian       string // architecture
	goarch, arm  string
	dtb          string // below /usr/lib/linux-image-RELEASE
	modules      []string
	kernelAppend string
}

func (b Board) parts() (parts, error) {
	switch b {
	case Raspi3B:
		return parts{
			qemu: "qemu-system-aarch64", meta: "linux-image-arm64", debian: "arm64", goarch: "arm64",
			dtb: "broadcom/bcm2837-rpi-3-b.dtb",
			modules: []string{
				"phy-generic", "dwc2", "usbnet", "cdc_ether", "bcm2835_thermal", "pwm_bcm2835", "bcm2835_wdt",
			},
		}, nil
	case Raspi0:
		return parts{
			qemu: "qemu-system-arm", meta: "linux-image-rpi", debian: "armel", goarch: "arm", arm: "6",
			dtb:     "bcm2835-rpi-zero.dtb",
			modules: []string{"usbnet", "cdc_ether", "raspberrypi-hwmon"},
			// The driver of the power domains asks for registers that QEMU has not, and the kernel panics.
			kernelAppend: " initcall_blacklist=bcm2835_power_driver_init",
		}, nil
	}
	return parts{}, fmt.Errorf("there is no board %q: want %s or %s", b, Raspi3B, Raspi0)
}

// BuildBoard makes the image of an emulated board, or finds it in the cache, as [Build] does for a PC. Cold it takes about
// half a minute. Root is needed only where QEMU is not installed.
func BuildBoard(ctx context.Context, board Board, log func(format string, args ...any)) (*Image, error) {
	image, err := buildBoard(ctx, board, log)
	if err != nil {
		return nil, fmt.Errorf("machines: %s: %w", board, err)
	}
	return image, nil
}

func buildBoard(ctx context.Context, board Board, log func(format string, args ...any)) (*Image, error) {
	p, err := board.parts()
	if err != nil {
		return nil, err
	}
	b, unlock, err := newBuilder(ctx, log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := newApt(ctx, b)
	if err != nil {
		return nil, err
	}
	name, k, err := a.newest(ctx, p.meta+":"+p.debian)
	if err != nil {
		return nil, err
	}
	b.step("%s: kernel %s (%s)", board, k.release, k.version)
	if err := b.need(ctx, map[string]string{"qemu-system-arm": p.qemu, "kmod": "/usr/sbin/depmod"}); err != nil {
		return nil, err
	}
	if err := knows(ctx, p.qemu, board); err != nil {
		return nil, err
	}
	from, err := a.unpacked(ctx, name)
	if err != nil {
		return nil, err
	}
	initial, err := b.boardInitial(ctx, a, p, from, k.release)
	if err != nil {
		return nil, err
	}
	return &Image{
		qemu:    []string{p.qemu, "-accel", "tcg,thread=multi", "-M", string(board), "-usb"},
		kernel:  filepath.Join(from, "boot/vmlinuz-"+k.release),
		dtb:     filepath.Join(from, "usr/lib/linux-image-"+k.release, p.dtb),
		initial: initial,
		append:  "console=ttyAMA0,115200 panic=-1 quiet" + p.kernelAppend,
		board:   true,
		logs:    filepath.Join(b.cache, "log"),
		log:     b.log,
	}, nil
}

// knows checks that the installed QEMU emulates the board.
func knows(ctx context.Context, qemu string, board Board) error {
	out, err := exec.CommandContext(ctx, qemu, "-M", "help").Output()
	if err != nil {
		return fmt.Errorf("%s -M help: %w", qemu, err)
	}
	if !strings.Contains(string(out), "\n"+string(board)+" ") {
		return fmt.Errorf("this %s emulates no %s: install Debian 12's qemu-system-arm", qemu, board)
	}
	return nil
}

// boardInitial makes the file system that a board runs from.
func (b *builder) boardInitial(ctx context.Context, a *apt, p parts, from, release string) ([]byte, error) {
	key, err := digest(append(p.modules, filepath.Base(from)))
	if err != nil {
		return nil, err
	}
	tree, err := b.once("tree-"+release+"-"+key, func(dir string) error {
		b.step("collecting the modules of %s", release)
		return b.stageModules(ctx, dir, from, release, p.modules, nil)
	})
	if err != nil {
		return nil, err
	}
	order, err := closure(filepath.Join(tree, "lib/modules", release), p.modules)
	if err != nil {
		return nil, err
	}
	for i, file := range order {
		order[i] = filepath.Join("/lib/modules", release, file)
	}
	busybox, err := a.unpacked(ctx, "busybox-static:"+p.debian)
	if err != nil {
		return nil, err
	}
	helper, err := b.guest(ctx, p.goarch, p.arm)
	if err != nil {
		return nil, err
	}
	var fs archive
	fs.add("order", modeFile|0o644, []byte(strings.Join(order, "\n")+"\n"))
	err = errors.Join(
		fs.file("init", filepath.Join(b.source, "boot/board")),
		fs.file("bin/busybox", filepath.Join(busybox, "bin/busybox")),
		fs.file("usr/local/lib/machine-guest", helper),
		fs.tree("lib/modules", filepath.Join(tree, "lib/modules")),
	)
	return fs.end(), err
}
