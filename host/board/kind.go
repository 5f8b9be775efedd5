package board

import "strings"

// Kind is a model as far as bramble treats it differently: for its temperature
// limit and its header.
type Kind uint8

// The kinds.
const (
	KindUnknown   Kind = iota // not a Raspberry Pi
	KindPi                    // any other Raspberry Pi with 40 pins
	KindPiFirst               // the first Model B, 26 pins with other GPIOs on three of them
	KindPi26                  // Model A and B, 26 pins
	KindPi3APlus              // 3 Model A+
	KindPi3BPlus              // 3 Model B+
	KindPi4B                  // 4 Model B
	KindPi5                   // 5
	KindPiCompute             // a Compute Module, whose header is its carrier's affair
)

// String returns a name for people, such as "Raspberry Pi 3 Model B+".
func (k Kind) String() string {
	switch k {
	case KindPi:
		return "Raspberry Pi"
	case KindPiFirst:
		return "Raspberry Pi Model B (first revision)"
	case KindPi26:
		return "Raspberry Pi Model A or B"
	case KindPi3APlus:
		return "Raspberry Pi 3 Model A+"
	case KindPi3BPlus:
		return "Raspberry Pi 3 Model B+"
	case KindPi4B:
		return "Raspberry Pi 4 Model B"
	case KindPi5:
		return "Raspberry Pi 5"
	case KindPiCompute:
		return "Raspberry Pi Compute Module"
	}
	return "unknown board"
}

// SoCLimitCelsius returns the temperature at which the board's firmware begins to
// slow the processor down: 60 on the 3A+ and 3B+ (the default of temp_soft_limit),
// 80 on other Raspberry Pis, both from raspberrypi/documentation,
// computers/raspberry-pi/frequency-management.adoc; 0 where it is unknown.
func (k Kind) SoCLimitCelsius() float64 {
	switch k {
	case KindUnknown:
		return 0
	case KindPi3APlus, KindPi3BPlus:
		return 60
	}
	return 80
}

// HeaderPin returns the pin of the board's main header on which a GPIO comes out,
// counted from 1 as on pinouts; 0 if none does or the header is unknown
// (raspberrypi/documentation, computers/raspberry-pi/gpio-on-raspberry-pi.adoc).
func (k Kind) HeaderPin(gpio int) int {
	pins := [...]uint8{
		27, 28, 3, 5, 7, 29, 31, 26, 24, 21, // GPIO0 to 9
		19, 23, 32, 33, 8, 10, 36, 11, 12, 35,
		38, 40, 15, 16, 18, 22, 37, 13, // to GPIO27
	}
	if k == KindPiFirst {
		pins[0], pins[1], pins[21] = 3, 5, 13
		pins[2], pins[3], pins[27] = 0, 0, 0
	}
	if gpio < 0 || gpio >= len(pins) || k == KindUnknown || k == KindPiCompute {
		return 0
	}
	pin := int(pins[gpio])
	if (k == KindPi26 || k == KindPiFirst) && pin > 26 {
		return 0
	}
	return pin
}

// classify decides by the device tree's first compatible string, which kernels of
// every origin set; else by the revision code; else by the model's name.
func classify(compatible []string, revision uint32, model string) Kind {
	for _, name := range compatible {
		if pi, ok := strings.CutPrefix(name, "raspberrypi,"); ok {
			return byCompatible(pi)
		}
	}
	if !strings.HasPrefix(model, "Raspberry Pi") {
		return KindUnknown
	}
	if kind := byRevision(revision); kind != KindUnknown {
		return kind
	}
	return KindPi
}

// byCompatible knows the names of arch/arm/boot/dts/broadcom/bcm*-rpi-*.dts.
func byCompatible(name string) Kind {
	switch name {
	case "model-b":
		return KindPiFirst
	case "model-a", "model-b-rev2", "model-b-i2c0":
		return KindPi26
	case "3-model-a-plus":
		return KindPi3APlus
	case "3-model-b-plus":
		return KindPi3BPlus
	case "4-model-b":
		return KindPi4B
	case "5-model-b":
		return KindPi5
	}
	if strings.Contains(name, "compute-module") {
		return KindPiCompute
	}
	return KindPi
}

// byRevision decodes raspberrypi/documentation,
// computers/raspberry-pi/revision-codes.adoc: with bit 23 set, bits 4 to 11 are
// the type; without, the low 16 bits are a number from a list.
func byRevision(code uint32) Kind {
	const newStyle = 1 << 23
	if code&newStyle == 0 {
		switch code & 0xffff {
		case 0x0002, 0x0003:
			return KindPiFirst
		case 0x0004, 0x0005, 0x0006, 0x0007, 0x0008, 0x0009, 0x000d, 0x000e, 0x000f:
			return KindPi26
		case 0x0011, 0x0014:
			return KindPiCompute
		}
		return KindUnknown
	}
	switch code >> 4 & 0xff {
	case 0x00, 0x01:
		return KindPi26
	case 0x06, 0x0a, 0x10, 0x14, 0x15, 0x18, 0x1a, 0x1b:
		return KindPiCompute
	case 0x0d:
		return KindPi3BPlus
	case 0x0e:
		return KindPi3APlus
	case 0x11:
		return KindPi4B
	case 0x17:
		return KindPi5
	}
	return KindUnknown
}
