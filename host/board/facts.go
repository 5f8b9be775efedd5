package board

import (
	"encoding/binary"
	"os"
	"strings"

	"periph.io/x/host/v3/distro"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// facts is what periph's distro tells of the live system, and the files below
// another root tell in its place.
type facts struct {
	model        string
	compatible   []string
	revision     uint32
	distribution string
	processor    map[string]string // /proc/cpuinfo, the first value of each key
}

func gather(root string) facts {
	f := fromFiles(root)
	if live(root) {
		f = fromDistro()
	}
	if f.distribution != "" {
		if _, err := os.Stat(attribute.Path(root, "etc/rpi-issue")); err == nil {
			// Its 64-bit images call themselves Debian.
			f.distribution += ", Raspberry Pi OS"
		}
	}
	return f
}

func fromDistro() facts {
	f := facts{
		revision:     distro.DTRevision(),
		distribution: pretty(distro.OSRelease()),
		processor:    distro.CPUInfo(),
	}
	if model := distro.DTModel(); model != "<unknown>" {
		f.model = attribute.Printable(model)
	}
	for _, name := range distro.DTCompatible() {
		f.compatible = append(f.compatible, attribute.Printable(name))
	}
	return f
}

func fromFiles(root string) facts {
	f := facts{
		model:        text(root, "proc/device-tree/model"),
		distribution: pretty(pairs(root, "etc/os-release", "=")),
		processor:    pairs(root, "proc/cpuinfo", ":"),
	}
	list, _ := attribute.Bytes(attribute.Path(root, "proc/device-tree/compatible"))
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name = attribute.Printable(name); name != "" {
			f.compatible = append(f.compatible, name)
		}
	}
	if code, _ := attribute.Bytes(attribute.Path(root, "proc/device-tree/system/linux,revision")); len(code) >= 4 {
		f.revision = binary.BigEndian.Uint32(code)
	}
	return f
}

func pairs(root, name, separator string) map[string]string {
	found := map[string]string{}
	content, _ := attribute.Bytes(attribute.Path(root, name))
	for line := range strings.Lines(string(content)) {
		key, value, ok := strings.Cut(line, separator)
		if key = strings.TrimSpace(key); ok && found[key] == "" {
			found[key] = strings.TrimSpace(value)
		}
	}
	return found
}

// pretty names a distribution; os-release(5) makes PRETTY_NAME optional.
func pretty(release map[string]string) string {
	for _, key := range []string{"PRETTY_NAME", "NAME"} {
		if name := attribute.Printable(strings.Trim(release[key], `"'`)); name != "" {
			return name
		}
	}
	return ""
}
