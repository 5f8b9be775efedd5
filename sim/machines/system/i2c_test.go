//go:build system

package system

import "testing"

// The chips on the simulated bus, which i2c-stub keeps as plain registers.
const (
	lm75Address    = "0x48"
	adt7475Address = "0x2e"
)

// i2cset writes a register of a chip on the stub bus. mode is "" or "-f", needed once a driver owns the address.
func (m machine) i2cset(t testing.TB, mode, address, register, value, size string) {
	t.Helper()
	m.sh(t, "i2cset "+mode+" -y $(cat /run/bus) "+address+" "+register+" "+value+" "+size)
}

// replugI2C makes drivers bind to the chips, the ADT7475 before the LM75 if it is said twice.
const replugI2C = `for chip in lm75 adt7475; do
	[ $chip = lm75 ] && address=` + lm75Address + ` || address=` + adt7475Address + `
	echo $chip $address > /sys/bus/i2c/devices/i2c-$(cat /run/bus)/new_device
done
`

const unplugI2C = `for address in ` + lm75Address + ` ` + adt7475Address + `; do echo $address > /sys/bus/i2c/devices/i2c-$(cat /run/bus)/delete_device; done
`

// plugI2C puts an LM75 and an ADT7475 on a bus; real drivers bind to them. The ADT7475 runs its first fan by hand, and
// says that it is one by registers 0x3d to 0x3f.
func plugI2C(t testing.TB, m machine) {
	m.sh(t, `modprobe -a i2c-dev lm75 adt7475 && modprobe i2c-stub chip_addr=`+lm75Address+`,`+adt7475Address+`
for adapter in /sys/class/i2c-adapter/*; do
	case $(cat $adapter/name) in "SMBus stub driver") basename $adapter | cut -d- -f2 > /run/bus;; esac
done
set -e
bus=$(cat /run/bus)
i2cset -y $bus `+lm75Address+` 0 0x0028 w
for register in "0x3d 0x75" "0x3e 0x41" "0x3f 0x68" "0x40 0x04" "0x5c 0xe2" "0x30 0xff" "0x28 0x28" "0x29 0x0a"; do i2cset -y $bus `+adt7475Address+` $register; done
`+replugI2C+`udevadm settle`)
}
