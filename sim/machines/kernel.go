package machines

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sources are the files of Debian's linux-source-6.1 that become our test modules, as they were reviewed.
func sources() map[string]string {
	return map[string]string{
		"drivers/gpio/gpio-sim.c":    "119a85063ac76efcfb9ff8ce87990f38133930a35d013e614a2e631ce8a67b95",
		"drivers/gpio/gpio-virtio.c": "66bd701a9584cc374299253bcfd2486dfca9a09752413a64f9687ff2a303f0fc",
		"drivers/gpio/gpiolib.h":     "56b20e6827aa7eafded0bb997b3549924f4462c0018c111a35147c797cc1ffd5",
		"kernel/irq/irq_sim.c":       "5ede5ec621858bb56cd7cd891c324eec6ddc7d27a7e92e2663a8b5b5a0ff615b",
	}
}

// kernelSources returns a folder with those files, in the version of the kernel.
func (b *builder) kernelSources(ctx context.Context, a *apt, version string) (string, error) {
	reviewed, err := digest([]string{fmt.Sprint(sources())})
	if err != nil {
		return "", err
	}
	return b.once("source-"+version+"-"+reviewed, func(dir string) error {
		b.step("fetching linux-source-6.1 %s for gpio-sim and gpio-virtio (139 MB)", version)
		deb, err := a.fetch(ctx, "linux-source-6.1", version)
		if err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Dir(deb))
		b.step("unpacking %d files of it", len(sources()))
		script := `dpkg-deb --fsys-tarfile "$1" | tar xO ./usr/src/linux-source-6.1.tar.xz | tar xJ -C "$2" --strip-components=1`
		args := []string{"-c", script, "sh", deb, dir}
		for name := range sources() {
			args[1] += " linux-source-6.1/" + name
		}
		if _, err := command(ctx, nil, "sh", args...); err != nil {
			return err
		}
		for name, want := range sources() {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			if got := hex.EncodeToString(sum[:]); got != want {
				return fmt.Errorf("%s of linux-source-6.1 %s is not the file that was reviewed (sha256 %s): read what changed, then put the new sum into kernel.go", name, version, got)
			}
		}
		return nil
	})
}

// testModules builds the modules of our own for a kernel whose headers are installed.
func (b *builder) testModules(ctx context.Context, a *apt, k kernel) (string, error) {
	ours := filepath.Join(b.source, "modules")
	key, err := digest([]string{k.release, k.version}, ours)
	if err != nil {
		return "", err
	}
	return b.once("modules-"+k.release+"-"+key, func(dir string) error {
		kernelFiles, err := b.kernelSources(ctx, a, k.version)
		if err != nil {
			return err
		}
		b.step("building gpio-sim, gpio-virtio and pi-sim for %s", k.release)
		if err := os.CopyFS(dir, os.DirFS(ours)); err != nil {
			return err
		}
		for from, to := range map[string]string{
			"drivers/gpio/gpio-sim.c":    "gpio-sim/gpio_sim_main.c",
			"drivers/gpio/gpiolib.h":     "gpio-sim/gpiolib.h",
			"kernel/irq/irq_sim.c":       "gpio-sim/irq_sim.c",
			"drivers/gpio/gpio-virtio.c": "gpio-virtio/gpio-virtio.c",
		} {
			content, err := os.ReadFile(filepath.Join(kernelFiles, from))
			if err != nil {
				return err
			}
			// irq_to_desc is not exported to modules; this does the same.
			text := strings.Replace(string(content), "handle_simple_irq(irq_to_desc(irqnum));", "generic_handle_irq(irqnum);", 1)
			if err := os.WriteFile(filepath.Join(dir, to), []byte(text), 0o644); err != nil {
				return err
			}
		}
		for _, name := range ownModules() {
			if _, err := command(ctx, nil, "make", "-C", "/usr/src/linux-headers-"+k.release, "M="+filepath.Join(dir, name), "modules"); err != nil {
				return fmt.Errorf("build %s: %w", name, err)
			}
		}
		return nil
	})
}

// unpackedKernel returns the kernel as the machine runs it. Out of Debian's file it would unpack itself, which takes a
// translated machine longer than all else that it does before the first program. Where the compressed kernel lies in the
// file is in Documentation/x86/boot.rst; QEMU starts a whole one by its PVH note.
func (b *builder) unpackedKernel(ctx context.Context, k kernel, vmlinuz string) (string, error) {
	dir, err := b.once("vmlinux-"+k.release+"-"+k.version, func(dir string) error {
		file, err := os.ReadFile(vmlinuz)
		if err != nil {
			return err
		}
		const setupSectors, payloadOffset, payloadLength, size = 0x1f1, 0x248, 0x24c, 4
		if len(file) < payloadLength+4 {
			return fmt.Errorf("%s is no kernel", vmlinuz)
		}
		begin := 512*(int(file[setupSectors])+1) + int(binary.LittleEndian.Uint32(file[payloadOffset:]))
		end := begin + int(binary.LittleEndian.Uint32(file[payloadLength:])) - size // the last word is the unpacked size
		if begin > end || end > len(file) {
			return fmt.Errorf("%s has a kernel from %d to %d of %d bytes", vmlinuz, begin, end, len(file))
		}
		packed := filepath.Join(dir, "vmlinux.xz")
		if err := os.WriteFile(packed, file[begin:end], 0o644); err != nil {
			return err
		}
		_, err = command(ctx, nil, "xz", "--decompress", packed)
		return err
	})
	return filepath.Join(dir, "vmlinux"), err
}

// ownModules are those that the kernel does not have, each a folder of modules.
func ownModules() []string { return []string{"gpio-sim", "gpio-virtio", "pi-sim"} }

// wanted are the kernel's own modules that a machine gets, with all that they need.
func wanted() []string {
	return []string{
		"virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "crc32c_generic", "ext4", "autofs4", "configfs",
		"i2c-stub", "i2c-dev", "lm75", "adt7475", "emc2103", "softdog", "sch_netem",
	}
}

// dependencies reads modules.dep: for each module, by the name in its file's name, the file and those that it needs,
// last first.
func dependencies(dir string) (map[string][]string, error) {
	file, err := os.Open(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string][]string{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		path, needs, ok := strings.Cut(lines.Text(), ":")
		if ok {
			found[moduleName(path)] = append([]string{path}, strings.Fields(needs)...)
		}
	}
	return found, lines.Err()
}

// moduleName is how a module is called however its file is written: i2c-dev.ko is i2c_dev.
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// closure returns the files of modules and of all that they need, each after those that it needs. Modules that are built
// into the kernel have none.
func closure(dir string, names []string) ([]string, error) {
	depends, err := dependencies(dir)
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	inKernel := map[string]bool{}
	for line := range strings.Lines(string(builtin)) {
		inKernel[moduleName(line)] = true
	}
	var files []string
	have := map[string]bool{}
	var faults []error
	for _, name := range names {
		paths := depends[moduleName(name)]
		if paths == nil && !inKernel[moduleName(name)] {
			faults = append(faults, fmt.Errorf("%s has no module %s", dir, name))
		}
		for i := len(paths) - 1; i >= 0; i-- {
			if !have[paths[i]] {
				have[paths[i]] = true
				files = append(files, paths[i])
			}
		}
	}
	return files, errors.Join(faults...)
}

// stageModules returns a folder lib/modules/RELEASE with the kernel's modules of names, the extra ones, and depmod's
// tables over them.
func (b *builder) stageModules(ctx context.Context, dir, from, release string, names, extra []string) error {
	modules := filepath.Join(from, "lib/modules", release)
	if _, err := os.Stat(filepath.Join(modules, "modules.dep")); err != nil {
		if _, err := command(ctx, nil, "depmod", "-b", from, release); err != nil {
			return err
		}
	}
	files, err := closure(modules, names)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "lib/modules", release)
	copies := map[string]string{}
	for _, file := range files {
		copies[filepath.Join(to, file)] = filepath.Join(modules, file)
	}
	for _, file := range extra {
		copies[filepath.Join(to, "extra", filepath.Base(file))] = file
	}
	for _, table := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		copies[filepath.Join(to, table)] = filepath.Join(modules, table)
	}
	for to, from := range copies {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	_, err = command(ctx, nil, "depmod", "-b", dir, release)
	return err
}
