package thermal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// place is one temperature as a scan finds it.
type place struct {
	key      string // what makes it the same sensor in the next scan
	base     string // zone type or hwmon name
	label    string // of an hwmon input; "" for a zone
	device   string // last part of the device path that tells devices apart; may be ""
	name     string // filled in by name
	path     string // the temperature
	fault    string // hwmon's fault flag; "" if there is none
	kind     Kind
	interval time.Duration
}

// scan lists all temperatures under root, zones first, in the kernel's order.
func scan(root string) ([]place, error) {
	zones, err := list(attribute.Path(root, "sys/class/thermal"), "thermal_zone", "")
	if err != nil {
		return nil, err
	}
	chips, err := list(attribute.Path(root, "sys/class/hwmon"), "hwmon", "")
	if err != nil {
		return nil, err
	}
	var places []place
	types := map[string]bool{}
	for _, dir := range zones {
		p := zone(dir)
		types[strings.ReplaceAll(p.base, "-", "_")] = true
		places = append(places, p)
	}
	for _, dir := range chips {
		if !isTwin(dir, types) {
			places = append(places, chip(dir)...)
		}
	}
	// Equal keys are left to the kernel's order: there is nothing else to tell them apart by.
	seen := map[string]int{}
	for i := range places {
		p := &places[i]
		seen[p.key]++
		if n := seen[p.key]; n > 1 {
			p.key += fmt.Sprintf("\x00%d", n)
		}
	}
	return places, nil
}

// list returns the paths in dir called prefix, a number, suffix, by that number.
// A directory that is not there is empty.
func list(dir, prefix, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list sensors: %w", err)
	}
	numbers := map[string]int{}
	var paths []string
	for _, entry := range entries {
		middle, ok := strings.CutPrefix(entry.Name(), prefix)
		middle, ok2 := strings.CutSuffix(middle, suffix)
		number, err := strconv.Atoi(middle)
		if !ok || !ok2 || err != nil {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		numbers[path] = number
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int { return numbers[a] - numbers[b] })
	return paths, nil
}

func zone(dir string) place {
	base, _ := attribute.Text(filepath.Join(dir, "type"))
	if base == "" {
		base = filepath.Base(dir) // nameless: the number is all there is
	}
	identity, device := device(dir)
	return place{
		key:    strings.Join([]string{"zone", base, identity}, "\x00"),
		base:   base,
		device: device,
		path:   filepath.Join(dir, "temp"),
		kind:   zoneKind(base),
	}
}

// isTwin says whether an hwmon device is the kernel's second view of a thermal
// zone: its parent is a zone, or (before Linux 4.5) it has no parent and a zone's name.
func isTwin(dir string, types map[string]bool) bool {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	if strings.HasPrefix(filepath.Base(filepath.Dir(real)), "thermal_zone") {
		return true
	}
	if _, err := os.Lstat(filepath.Join(dir, "device")); err == nil {
		return false
	}
	name, _ := attribute.Text(filepath.Join(dir, "name"))
	return types[name]
}

// chip returns the temperatures of one hwmon device. Old drivers keep the
// attributes, and the name, in the parent device's directory.
func chip(dir string) []place {
	identity, device := device(dir)
	inputs, _ := list(dir, "temp", "_input")
	if len(inputs) == 0 {
		inputs, _ = list(filepath.Join(dir, "device"), "temp", "_input")
	}
	base, _ := attribute.Text(filepath.Join(dir, "name"))
	if base == "" {
		base, _ = attribute.Text(filepath.Join(dir, "device", "name"))
	}
	if base == "" {
		base = cmp.Or(device, filepath.Base(dir))
	}
	var places []place
	for _, path := range inputs {
		stem := strings.TrimSuffix(path, "_input")
		label, _ := attribute.Text(stem + "_label")
		label = cmp.Or(label, filepath.Base(stem))
		p := place{
			key:    strings.Join([]string{"hwmon", base, identity, label}, "\x00"),
			base:   base,
			label:  label,
			device: device,
			path:   path,
			kind:   chipKind(base),
		}
		if base == "drivetemp" || base == "w1_slave_temp" {
			p.interval = slow
		}
		if _, err := os.Stat(stem + "_fault"); err == nil {
			p.fault = stem + "_fault"
		}
		places = append(places, p)
	}
	return places
}

// device returns what tells the device of a zone or chip from others of its
// kind: its path below /sys/devices without the parts that are numbered in the
// order of probing (nvme1, host0, target0:0:0, 0:0:0:0, 0003:1B1C:0C10.0005),
// and the last part of that.
func device(dir string) (identity, last string) {
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
	if err != nil {
		return "", ""
	}
	_, below, found := strings.Cut(real, "/sys/devices/")
	if !found {
		return "", ""
	}
	parts := slices.DeleteFunc(strings.Split(below, "/"), numbered)
	if len(parts) == 0 {
		return "", ""
	}
	return strings.Join(parts, "/"), parts[len(parts)-1]
}

func numbered(part string) bool {
	for _, class := range []string{"nvme", "host", "target"} {
		if rest, ok := strings.CutPrefix(part, class); ok && strings.Trim(rest, "0123456789:") == "" {
			return true
		}
	}
	scsi := strings.Count(part, ":") == 3 && strings.Trim(part, "0123456789:") == ""
	hid := len(part) == len("0003:1B1C:0C10.0005") && part[4] == ':' && part[9] == ':' && part[14] == '.'
	return scsi || hid
}

// zoneKind judges by the type: device trees name zones after the part they
// measure (cpu-thermal, soc-thermal, gpu-thermal, ddr-thermal, bigcore0-thermal).
func zoneKind(base string) Kind {
	for _, part := range []string{"cpu", "soc", "gpu", "ddr", "npu", "core", "cluster", "x86_pkg_temp", "bcm2835_thermal"} {
		if strings.Contains(base, part) {
			return KindSoC
		}
	}
	return KindOther
}

func chipKind(base string) Kind {
	switch base {
	case "nvme", "drivetemp":
		return KindDrive
	case "coretemp", "k10temp", "zenpower", "rp1_adc", "sun4i_ts":
		return KindSoC
	}
	return zoneKind(strings.ReplaceAll(base, "_", "-"))
}

// name gives every place a name that no other place and no taken one has.
func name(places []place, taken map[string]bool) []place {
	plain := map[string]int{}
	for _, p := range places {
		plain[p.call("")]++
	}
	for i := range places {
		p := &places[i]
		p.name = p.call("")
		if p.device != "" && (plain[p.name] > 1 || taken[p.name]) {
			p.name = p.call("@" + p.device)
		}
		for n, stem := 2, p.name; taken[p.name]; n++ {
			p.name = fmt.Sprintf("%s#%d", stem, n)
		}
		taken[p.name] = true
	}
	return places
}

func (p place) call(device string) string {
	if p.label == "" {
		return p.base + device
	}
	return p.base + device + "/" + p.label
}
