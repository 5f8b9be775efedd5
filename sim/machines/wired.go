package machines

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// BuildWired is Build for machines that others are wired to: Config.GPIO and Config.Ethernet work. It takes QEMU 10 from
// Debian's backports, since that of Debian 12 tells a guest of no edge, and keeps it beside the image; it is not
// installed.
func BuildWired(ctx context.Context, log func(format string, args ...any)) (*Image, error) {
	image, err := build(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	b, unlock, err := newBuilder(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	defer unlock()
	a, err := backports(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	program, err := a.unpacked(ctx, "qemu-system-x86")
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	data, err := a.unpacked(ctx, "qemu-system-data")
	if err != nil {
		return nil, fmt.Errorf("machines: %w", err)
	}
	// The BIOS is that of the installed QEMU.
	image.qemu[0] = filepath.Join(program, "usr/bin/qemu-system-x86_64")
	image.qemu = append(image.qemu, "-L", filepath.Join(data, "usr/share/qemu"), "-L", "/usr/share/seabios")
	image.shared = true
	return image, nil
}

// wired returns QEMU's arguments for what a machine is wired to.
func (i *Image) wired(config Config) []string {
	var arguments []string
	if i.shared {
		arguments = append(arguments, "-machine", "memory-backend=memory",
			"-object", fmt.Sprintf("memory-backend-memfd,id=memory,size=%dM,share=on", config.MemoryMB))
	}
	if config.Ethernet != "" {
		// The address is the same for all machines of a name, and of no other.
		sum := sha256.Sum256([]byte(config.Name))
		arguments = append(arguments, "-netdev", "stream,id=case,server=off,addr.type=unix,addr.path="+config.Ethernet,
			"-device", fmt.Sprintf("virtio-net-pci,netdev=case,addr=0x11,mac=52:54:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3]))
	}
	if config.GPIO != "" {
		arguments = append(arguments, "-chardev", "socket,id=gpio,path="+config.GPIO, "-device", "vhost-user-gpio-pci,chardev=gpio,addr=0x12")
	}
	return arguments
}

// Settle returns an image that is settled for one purpose: a machine is started once, a script runs in it that must
// succeed, the machine switches itself off, and its disk is what machines of the new image start from. It is kept in the
// cache until something else is settled under the name, and made anew when the script, a file or what is below changed.
func (i *Image) Settle(ctx context.Context, config Config, script string) (*Image, error) {
	settled, err := i.settle(ctx, config, script)
	if err != nil {
		return nil, fmt.Errorf("machines: settle %s: %w", config.Name, err)
	}
	return settled, nil
}

func (i *Image) settle(ctx context.Context, config Config, script string) (*Image, error) {
	b, unlock, err := newBuilder(ctx, i.log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	texts := []string{script, i.disk, fmt.Sprintf("%x", sha256.Sum256(i.initial))}
	var paths []string
	for _, to := range slices.Sorted(maps.Keys(config.Files)) {
		texts, paths = append(texts, to), append(paths, config.Files[to])
	}
	key, err := digest(texts, paths...)
	if err != nil {
		return nil, err
	}
	prefix := "settled-" + config.Name + "-"
	dir, err := b.once(prefix+key, func(dir string) error {
		b.step("starting a machine once to settle %s in it", config.Name)
		config.Disk = filepath.Join(dir, "root.img")
		if err := i.Disk(ctx, config.Disk); err != nil {
			return err
		}
		m, err := i.Start(ctx, config)
		if err != nil {
			return err
		}
		defer m.Kill()
		if _, err := m.Output(ctx, script); err != nil {
			return err
		}
		return m.Shutdown(ctx)
	})
	if err != nil {
		return nil, err
	}
	others, err := filepath.Glob(filepath.Join(b.cache, prefix+"*"))
	for _, other := range others {
		if other != dir {
			err = errors.Join(err, os.RemoveAll(other))
		}
	}
	settled := *i
	settled.disk, settled.initial = filepath.Join(dir, "root.img"), i.bare
	return &settled, err
}

// Disk makes a new disk for a machine's Config.Disk, as a fresh card of the image.
func (i *Image) Disk(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	_, err := command(ctx, nil, "cp", "--sparse=always", i.disk, path)
	return err
}

// Over says whether the machine has ended, in whatever way.
func (m *Machine) Over() bool { return m.over() }

// End returns how the machine ended, after it did.
func (m *Machine) End() End { return m.end }
