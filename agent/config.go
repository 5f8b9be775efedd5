package agent

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"
)

// Config says who the agent is and what it can use. Its zero value is a node with the host's name and no hardware.
type Config struct {
	// Name is the node's name: 1 to 24 letters, digits, '-', '_' and '.'. Default: the host name up to its first dot.
	Name string
	// Version is the agent's version, as told to subscribers.
	Version string
	// BootID is the kernel's identifier of this boot. Without one nobody can tell a restart of the board from one of the
	// agent, and counts do not survive the agent.
	BootID string
	// Uptime is the time since that boot, suspend included. Nil: told as 0.
	Uptime func() time.Duration
	// Board describes the hardware and the system.
	Board Board

	// Thermal, Throttle, Light, Shutdown, Power and DoneLine are the board; nil means unsupported.
	Thermal  Thermal
	Throttle Throttle
	Light    Light
	Shutdown Shutdown
	Power    Power
	DoneLine DoneLine

	// Capabilities are what the caller knows better than the ports tell: for example that a device is there and may not
	// be opened. A kind that is not listed is available if its port has something to offer, and unsupported otherwise; one
	// that is listed is so until its readings tell better (see Capability).
	Capabilities []Capability

	// StatePath is where the counts of the flags are kept within a boot. Empty: in memory only.
	StatePath string
	// OperationsPath is where the operations that end a boot are kept within that boot, so that none is carried out twice.
	// Empty: in memory only.
	OperationsPath string
	// PowerOffHold is how long a PowerOff or Reboot is held back before the system is asked, which is how long it can be
	// called off: no system takes it back afterwards. 0 to MaxPowerOffHold. Default: 0, which leaves no time to.
	PowerOffHold time.Duration
	// Interval is the time between two samples, from MinInterval to MaxInterval. Default: DefaultInterval.
	Interval time.Duration
	// Credentials secure every TCP listener of Serve. Without them TCP is served on loopback only.
	Credentials credentials.TransportCredentials
	// Alive is called after each sample by the goroutine that samples: it feeds a watchdog. It must not block.
	Alive func()
	// Logger takes one line for each change of state. Nil: silent.
	Logger hclog.Logger
}

// Board describes hardware and operating system. What the system does not tell is empty.
type Board struct {
	Model        string   // such as "Raspberry Pi 4 Model B Rev 1.2"
	Compatible   []string // the device tree's, most specific first
	RevisionCode uint32   // the Raspberry Pi revision code; 0 elsewhere
	Architecture string   // such as "arm64"
	Distribution string   // such as "Debian GNU/Linux 12 (bookworm)"
	Kernel       string   // the kernel's release
	LimitCelsius float64  // where this kind of board starts to slow down; 0 when unknown
}

// SensorKind says what a sensor measures, and so the unit of its readings.
type SensorKind int32

// The kinds of sensors.
const (
	SoCTemperature   SensorKind = iota + 1 // the processor's temperature, in celsius
	DriveTemperature                       // a disk's temperature, in celsius
	OtherTemperature                       // any other temperature, in celsius
	CPUClock                               // the processor's clock, in hertz
	LinkSpeed                              // a wired link's speed, in megabits per second; 0 without a carrier
)

func (k SensorKind) isTemperature() bool { return k >= SoCTemperature && k <= OtherTemperature }

// Sensor is one thing that a board measures.
type Sensor struct {
	Name         string // unique on the node, and the same after a reboot
	Kind         SensorKind
	Source       string  // where it is read, such as a path
	LimitCelsius float64 // the limit that the kernel states for it; 0 when none
}

// The limits of Config.Interval, and what it is by default.
const (
	MinInterval     = 100 * time.Millisecond
	DefaultInterval = time.Second
	MaxInterval     = time.Minute
)

// MaxPowerOffHold is the longest Config.PowerOffHold: callers wait for it.
const MaxPowerOffHold = 10 * time.Second

const maxName = 24 // a GPIO consumer label holds 31 bytes, and bramble puts a prefix before the name

// CheckName says what is wrong with a node's name; nil if nothing is.
func CheckName(name string) error {
	if len(name) > maxName || !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name) {
		return fmt.Errorf("a node's name is 1 to %d letters, digits, '-', '_' and '.', and begins with a letter or digit", maxName)
	}
	return nil
}

// withDefaults fills what is empty.
func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = hostName()
	}
	if c.Uptime == nil {
		c.Uptime = func() time.Duration { return 0 }
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Alive == nil {
		c.Alive = func() {}
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c
}

// hostName is the default name of a node: "node" on a machine without a name of its own.
func hostName() string {
	host, err := os.Hostname()
	name, _, _ := strings.Cut(host, ".")
	name = name[:min(len(name), maxName)]
	if err != nil || CheckName(name) != nil {
		return "node"
	}
	return name
}

// validate reports every fault at once.
func (c Config) validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if err := CheckName(c.Name); err != nil {
		fault("name: %q: %w", c.Name, err)
	}
	if c.Interval < MinInterval || c.Interval > MaxInterval {
		fault("interval: %v: an interval is %v to %v", c.Interval, MinInterval, MaxInterval)
	}
	if c.PowerOffHold < 0 || c.PowerOffHold > MaxPowerOffHold {
		fault("power-off hold: %v: it is 0 to %v", c.PowerOffHold, MaxPowerOffHold)
	}
	for i, capability := range c.Capabilities {
		if capability.Kind < 1 || capability.Kind > capabilityKinds {
			fault("capabilities[%d].kind: %d is not a kind of capability", i, capability.Kind)
		}
		if capability.State < Available || capability.State > Failed {
			fault("capabilities[%d].state: %d is not a state of a capability", i, capability.State)
		}
		same := func(other Capability) bool { return other.Kind == capability.Kind }
		if slices.IndexFunc(c.Capabilities, same) < i {
			fault("capabilities[%d].kind: %d is listed twice", i, capability.Kind)
		}
	}
	return errors.Join(faults...)
}
