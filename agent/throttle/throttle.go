// Package throttle turns the throttling word of the Raspberry Pi firmware into edges and counts.
//
// The firmware answers get_throttled with one word. Its low four bits say what is wrong now; bits 16 to 19 say what has
// been wrong since somebody last cleared them (raspberrypi/utils, vcgencmd.1):
//
//	bit        now   has occurred   meaning
//	 0 and 16  0x1   0x10000        the supply fell below about 4.63 V
//	 1 and 17  0x2   0x20000        the ARM clock is capped
//	 2 and 18  0x4   0x40000        the board is throttled
//	 3 and 19  0x8   0x80000        the soft temperature limit is active
//
// A word that is read once a second misses most dips, and the history is not ours: the kernel's rpi_volt driver clears it
// every two seconds (drivers/hwmon/raspberrypi-hwmon.c), and so may anybody with vcgencmd. A [Counter] therefore keeps
// its own counts by comparing each word with the one before:
//
//   - a flag that is raised now and was not before has risen; one that was and is not has fallen;
//   - a dip that only the history has seen is a rise and a fall, and counts once;
//   - a history that has been cleared is no edge, and one that is set again after that is a new dip, unless the flag was
//     raised in the word before or is in this one: then that is what set it;
//   - what is raised, or has occurred, in the very first word of a boot counts once;
//   - histories of two sources are not compared: that of the first word from another one is where its own begins, and
//     only what is raised or not raised in that word makes edges;
//   - a bit that cannot be known keeps its last known value until it can be known again.
//
// Everything here is pure: no clock, no I/O, no goroutine, and no allocation in [Counter.Step]. A Counter is not safe for
// concurrent use.
package throttle

// Flag is one condition that the firmware reports.
type Flag uint8

// The flags, in the order of their bits.
const (
	UnderVoltage         Flag = iota // the supply fell below about 4.63 V
	FrequencyCapped                  // the ARM clock is capped
	Throttled                        // the board is throttled
	SoftTemperatureLimit             // the soft temperature limit is active: 60 C by default on a 3B+
)

// Flags is how many flags there are: they count from 0 to Flags-1.
const Flags = 4

// Every bit that has a meaning, as a mask for words and for what is known of them.
const (
	Now     uint32 = 0x0000f
	History uint32 = 0xf0000
	All            = Now | History
)

// String gives the flag's name in lower case with dashes, such as "under-voltage".
func (f Flag) String() string {
	switch f {
	case UnderVoltage:
		return "under-voltage"
	case FrequencyCapped:
		return "frequency-capped"
	case Throttled:
		return "throttled"
	case SoftTemperatureLimit:
		return "soft-temperature-limit"
	default:
		return "unknown-flag"
	}
}

// Bit is the bit that says whether the flag is raised now.
func (f Flag) Bit() uint32 { return 1 << f }

// HistoryBit is the flag's bit for has occurred.
func (f Flag) HistoryBit() uint32 { return 1 << (16 + f) }

// Edge is one rise or fall of a flag.
type Edge struct {
	Flag   Flag
	Active bool   // true for a rise, false for a fall
	Count  uint64 // how often the flag has risen in this boot, this rise included
}

// State is what must be kept for the counts to survive a restart within a boot. Its zero value is the state before the
// first word.
type State struct {
	BootID string        `json:"boot_id"` // the boot that the rest belongs to
	Word   uint32        `json:"word"`    // the newest known value of each bit
	Counts [Flags]uint64 `json:"counts"`  // rises in this boot, by flag

	// Source is where Word was read; "" if that is not known, as in states kept by older versions.
	Source string `json:"source,omitempty"`
}

// Counter follows the word of one board through one boot. Make one with [New].
type Counter struct {
	state State
	known uint32
	moved bool // the next word is the first from another source
	edges [2 * Flags]Edge
}

// New goes on from a saved state if that is of the same boot, and starts anew otherwise. Without a boot identifier two
// boots cannot be told apart, so an empty one always starts anew.
func New(bootID string, saved State) *Counter {
	if bootID == "" || saved.BootID != bootID {
		saved = State{BootID: bootID}
	}
	saved.Word &= All
	return &Counter{state: saved}
}

// From says where the next words are read, such as "/dev/vcio_gencmd". The first source of a boot, and one after words from
// nowhere known, changes nothing; nor does "".
func (c *Counter) From(source string) {
	if source == "" || source == c.state.Source {
		return
	}
	c.moved = c.moved || c.state.Source != ""
	c.state.Source = source
}

// Step takes the next word and the mask of its bits that are known, and returns the edges since the word before, in the
// order of the flags. The slice is valid until the next Step; it is empty when nothing has risen or fallen.
func (c *Counter) Step(word, known uint32) []Edge {
	known &= All
	before := c.state.Word
	after := before&^known | word&known
	if c.moved {
		before = before&^History | after&History
	}
	c.state.Word, c.known, c.moved = after, known, false
	n := 0
	for f := range Flag(Flags) {
		was, is := before&f.Bit() != 0, after&f.Bit() != 0
		dipped := !was && !is && before&f.HistoryBit() == 0 && after&f.HistoryBit() != 0
		if !was && is || dipped {
			c.state.Counts[f]++
			c.edges[n] = Edge{Flag: f, Active: true, Count: c.state.Counts[f]}
			n++
		}
		if was && !is || dipped {
			c.edges[n] = Edge{Flag: f, Count: c.state.Counts[f]}
			n++
		}
	}
	return c.edges[:n]
}

// Active says whether the flag is raised in the newest word, and whether that word could tell.
func (c *Counter) Active(f Flag) (active, known bool) {
	return c.state.Word&f.Bit() != 0, c.known&f.Bit() != 0
}

// Count is how often the flag has risen in this boot, as far as this counter and the states it went on from have seen.
func (c *Counter) Count(f Flag) uint64 { return c.state.Counts[f] }

// State is what to keep for [New]. Two states compare with ==, so that one that has not changed need not be kept again.
func (c *Counter) State() State { return c.state }
