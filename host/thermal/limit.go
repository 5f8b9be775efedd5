package thermal

import (
	"path/filepath"
	"strings"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// limit returns the temperature in degrees Celsius that the driver calls
// critical, else hot or maximum; 0 if none.
func (p place) limit() float64 {
	if stem, ok := strings.CutSuffix(p.path, "_input"); ok {
		if crit := celsius(stem + "_crit"); crit != 0 {
			return crit
		}
		return celsius(stem + "_max")
	}
	// The order of trip points differs between kernels, so their type decides.
	var critical, hot float64
	types, _ := list(filepath.Dir(p.path), "trip_point_", "_type")
	for _, path := range types {
		kind, _ := attribute.Text(path)
		value := celsius(strings.TrimSuffix(path, "_type") + "_temp")
		switch kind {
		case "critical":
			critical = lower(critical, value)
		case "hot":
			hot = lower(hot, value)
		}
	}
	if critical != 0 {
		return critical
	}
	return hot
}

// lower returns the lower of two limits of which 0 is none.
func lower(a, b float64) float64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// celsius reads a limit once. Drivers give impossible numbers for limits that
// are not set: NVMe disks 65261.85, x86 zones -274. They are none.
func celsius(path string) float64 {
	file, err := attribute.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	milli, err := file.Int()
	if err != nil || milli < 20_000 || milli > 150_000 {
		return 0
	}
	return float64(milli) / 1000
}
