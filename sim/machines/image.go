package machines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what machines of one kind start from. It may start any number of them, also at the same time.
type Image struct {
	qemu    []string // the program and what makes the hardware
	kernel  string
	dtb     string // empty on a PC
	disk    string // empty on a board
	initial []byte // the initial file system, before a machine's own files
	bare    []byte // of that, what a disk needs that has the rest; nil on a board
	append  string // kernel command line
	board   bool
	shared  bool   // others map the machine's memory
	cache   string // build/machines
	logs    string // where machines leave their consoles
	log     func(format string, args ...any)
}

// Build makes the image of a PC with systemd, or finds it in the cache. Cold it takes about two minutes and needs the
// network and root; warm a second and neither. What takes long is said through log, one line a step, as t.Logf takes
// them; nil is silent. The error is one line that says what is missing and what to do.
func Build(ctx context.Context, log func(format string, args ...any)) (*Image, error) {
	image, err := build(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	return image, nil
}

func build(ctx context.Context, log func(format string, args ...any)) (*Image, error) {
	b, unlock, err := newBuilder(ctx, log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := newApt(ctx, b)
	if err != nil {
		return nil, err
	}
	k, err := a.pair(ctx)
	if err != nil {
		return nil, err
	}
	b.step("kernel %s (%s), image and headers", k.release, k.version)
	err = b.need(ctx, map[string]string{
		"qemu-system-x86":            "qemu-system-x86_64",
		"make":                       "make",
		"gcc":                        "gcc",
		"xz-utils":                   "xz",
		"kmod":                       "/usr/sbin/depmod",
		"e2fsprogs":                  "/usr/sbin/mke2fs",
		"mmdebstrap":                 "mmdebstrap",
		"linux-headers-" + k.release: "/usr/src/linux-headers-" + k.release,
	})
	if err != nil {
		return nil, err
	}
	disk, err := b.rootImage(ctx, a)
	if err != nil {
		return nil, err
	}
	tree, vmlinux, err := b.kernelTree(ctx, a, k)
	if err != nil {
		return nil, err
	}
	bare, overlay, err := b.pcInitial(ctx, a, tree, k.release)
	if err != nil {
		return nil, err
	}
	b.step("image ready: kernel %s with the root file system %s", k.release, filepath.Base(filepath.Dir(disk)))
	return &Image{
		qemu:    []string{"qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35", "-nodefaults", "-device", "virtio-rng-pci"},
		kernel:  vmlinux,
		disk:    disk,
		initial: slices.Concat(bare, overlay),
		bare:    bare,
		cache:   b.cache,
		append:  "console=ttyS0 panic=-1 quiet net.ifnames=0 systemd.show_status=error mitigations=off nokaslr",
		logs:    filepath.Join(b.cache, "log"),
		log:     b.log,
	}, nil
}

// kernelTree returns a folder with the kernel's modules and our own, and the kernel.
func (b *builder) kernelTree(ctx context.Context, a *apt, k kernel) (tree, vmlinux string, err error) {
	from, err := a.unpacked(ctx, "linux-image-"+k.release)
	if err != nil {
		return "", "", err
	}
	ours, err := b.testModules(ctx, a, k)
	if err != nil {
		return "", "", err
	}
	key, err := digest(append(wanted(), filepath.Base(from), filepath.Base(ours)))
	if err != nil {
		return "", "", err
	}
	tree, err = b.once("tree-"+k.release+"-"+key, func(dir string) error {
		b.step("collecting the modules of %s", k.release)
		var extra []string
		for _, name := range ownModules() {
			extra = append(extra, filepath.Join(ours, name, name+".ko"))
		}
		return b.stageModules(ctx, dir, from, k.release, wanted(), extra)
	})
	if err != nil {
		return "", "", err
	}
	vmlinux, err = b.unpackedKernel(ctx, k, filepath.Join(from, "boot/vmlinuz-"+k.release))
	return tree, vmlinux, err
}

// pcInitial makes the first file system of a PC, in two parts. The init of the bare one mounts the disk, lays the overlay
// over it if there is one, and starts systemd.
func (b *builder) pcInitial(ctx context.Context, a *apt, tree, release string) (bare, overlay []byte, err error) {
	busybox, err := a.unpacked(ctx, "busybox-static")
	if err != nil {
		return nil, nil, err
	}
	helper, err := b.guest(ctx, "amd64", "")
	if err != nil {
		return nil, nil, err
	}
	modules := filepath.Join(tree, "lib/modules")
	order, err := closure(filepath.Join(modules, release), []string{"virtio_pci", "virtio_blk", "crc32c_generic", "ext4"})
	if err != nil {
		return nil, nil, err
	}
	var first, over archive
	for _, folder := range []string{"proc", "dev", "new", "bin", "overlay"} {
		first.add(folder, modeFolder|0o755, nil)
	}
	for i, file := range order {
		order[i] = "/modules/" + filepath.Base(file)
		err = errors.Join(err, first.file(order[i], filepath.Join(modules, release, file)))
	}
	first.add("order", modeFile|0o644, []byte(strings.Join(order, "\n")+"\n"))
	err = errors.Join(err,
		first.file("init", filepath.Join(b.source, "boot/pc")),
		first.file("bin/busybox", filepath.Join(busybox, "bin/busybox")),
		over.file("overlay/usr/local/lib/machine-guest", helper),
		over.tree("overlay/usr/lib/modules", modules),
		over.tree("overlay", filepath.Join(b.source, "overlay")),
	)
	return first.end(), over.end(), err
}

// guest builds the helper that runs inside machines.
func (b *builder) guest(ctx context.Context, architecture, arm string) (string, error) {
	path := filepath.Join(b.cache, "guest-"+architecture+arm)
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + architecture, "GOARM=" + arm}
	_, err := command(ctx, env, "go", "build", "-C", b.source, "-trimpath", "-ldflags", "-s -w", "-o", path, "./guest")
	return path, err
}

// packages are what the root file system is made of, besides what Debian cannot do without.
func packages() []string {
	return []string{"systemd", "systemd-sysv", "dbus", "polkitd", "udev", "kmod", "i2c-tools", "gpiod", "iproute2", "iputils-ping", "procps"}
}

// rootImage returns a file system of Debian's packages. Nothing of ours is in it: that comes with the initial one.
func (b *builder) rootImage(ctx context.Context, a *apt) (string, error) {
	versions, err := a.versions(ctx, packages()...)
	if err != nil {
		return "", err
	}
	script := filepath.Join(b.source, "boot/customize")
	key, err := digest([]string{fmt.Sprint(versions)}, script)
	if err != nil {
		return "", err
	}
	dir, err := b.once("root-"+key, func(dir string) error {
		if os.Geteuid() != 0 {
			return errors.New("the root file system must be made, and only root may: run this once as root")
		}
		sources, err := debianSources(ctx)
		if err != nil {
			return err
		}
		list, tree := filepath.Join(dir, "sources.list"), filepath.Join(dir, "tree")
		if err := os.WriteFile(list, []byte(sources), 0o644); err != nil {
			return err
		}
		b.step("making a root file system of Debian's packages with mmdebstrap; this takes most of a minute")
		_, err = command(ctx, nil, "mmdebstrap", "--mode=root", "--variant=minbase", "--include="+strings.Join(packages(), ","),
			"--customize-hook="+script, "bookworm", tree, list)
		if err != nil {
			return err
		}
		if _, err := command(ctx, nil, "/usr/sbin/mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, filepath.Join(dir, "root.img"), "1G"); err != nil {
			return err
		}
		return errors.Join(os.RemoveAll(tree), os.Remove(list))
	})
	return filepath.Join(dir, "root.img"), err
}

// debianSources writes the machine's own apt sources down as a list, those of Debian only.
func debianSources(ctx context.Context) (string, error) {
	text, err := command(ctx, nil, "apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian")
	if err != nil {
		return "", err
	}
	var list strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if !seen[line] {
			seen[line] = true
			list.WriteString(line)
		}
	}
	if list.Len() == 0 {
		return "", errors.New("apt's own configuration has no sources of Debian: add those of Debian 12 and run apt-get update")
	}
	return list.String(), nil
}
