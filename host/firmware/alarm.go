package firmware

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bramblemesh/bramble/host/internal/attribute"
)

// alarm is in0_lcrit_alarm of the kernel's rpi_volt driver.
type alarm struct{ file *attribute.File }

// openAlarm finds it by the hwmon device's name, for the number is not stable.
func openAlarm(root string) (path string, a *alarm, err error) {
	dir := attribute.Path(root, "sys/class/hwmon")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, err
	}
	for _, entry := range entries {
		name, _ := attribute.Text(filepath.Join(dir, entry.Name(), "name"))
		if name != "rpi_volt" {
			continue
		}
		path := filepath.Join(dir, entry.Name(), "in0_lcrit_alarm")
		file, err := attribute.Open(path)
		if err != nil {
			return "", nil, err
		}
		return path, &alarm{file}, nil
	}
	return "", nil, fs.ErrNotExist
}

func (a *alarm) word() (uint32, error) {
	value, err := a.file.Int()
	switch {
	case err != nil:
		return 0, err
	case value == 0:
		return 0, nil
	case value == 1:
		return UnderVoltage | UnderVoltage<<History, nil
	}
	return 0, fmt.Errorf("the alarm is %d, neither 0 nor 1", value)
}

func (a *alarm) known() uint32 { return UnderVoltage | UnderVoltage<<History }

func (a *alarm) close() error { return a.file.Close() }
