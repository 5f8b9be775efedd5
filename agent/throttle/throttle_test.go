package throttle

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the counter does into the transcripts")

// TestTranscript replays testdata/counter.txt, which reads like the rules of the package doc.
func TestTranscript(t *testing.T) {
	const file = "testdata/counter.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	counter, saved := New("", State{}), State{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		input, _, _ := strings.Cut(line, "->")
		input = strings.TrimSpace(input)
		boot, isBoot := strings.CutPrefix(input, "boot")
		source, isSource := strings.CutPrefix(input, "from ")
		switch {
		case input == "" || strings.HasPrefix(input, "#"):
			fmt.Fprintln(&got, input)
		case isBoot:
			counter = New(strings.TrimSpace(boot), saved)
			fmt.Fprintln(&got, input)
		case isSource:
			counter.From(source)
			fmt.Fprintln(&got, input)
		default:
			word, known := parse(t, input)
			edges := describe(counter.Step(word, known))
			saved = viaJSON(t, counter.State())
			fmt.Fprintln(&got, strings.TrimSpace(fmt.Sprintf("%-12s-> %s", input, edges)))
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != string(text) {
		t.Errorf("%s differs; -update writes this:\n%s", file, got.String())
	}
}

func parse(t *testing.T, input string) (word, known uint32) {
	t.Helper()
	fields := strings.Fields(input)
	known = All
	for i, target := range []*uint32{&word, &known}[:len(fields)] {
		v, err := strconv.ParseUint(fields[i], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		*target = uint32(v)
	}
	return word, known
}

func describe(edges []Edge) string {
	said := make([]string, 0, len(edges))
	for _, e := range edges {
		verb := "falls"
		if e.Active {
			verb = "rises"
		}
		said = append(said, fmt.Sprintf("%v %s (%d)", e.Flag, verb, e.Count))
	}
	return strings.Join(said, ", ")
}

// viaJSON keeps and restores a state as an agent does.
func viaJSON(t *testing.T, s State) (restored State) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &restored); err != nil {
		t.Fatal(err)
	}
	if restored != s {
		t.Fatalf("restored %+v, kept %+v", restored, s)
	}
	return restored
}

// follow steps the counter and checks what must hold for any words: edges alternate for each flag, start from the level
// before, end at the level after, and each rise adds exactly one to the count that its edge carries.
func follow(t *testing.T, c *Counter, word, known uint32) {
	t.Helper()
	before := c.State()
	level := before.Word
	counts := before.Counts
	for _, e := range c.Step(word, known) {
		if was := level&e.Flag.Bit() != 0; was == e.Active {
			t.Fatalf("%v: edge to %v, and it was that already (word %#x known %#x after %+v)", e.Flag, e.Active, word, known, before)
		}
		level ^= e.Flag.Bit()
		if e.Active {
			counts[e.Flag]++
		}
		if e.Count != counts[e.Flag] {
			t.Fatalf("%v: count %d in the edge, want %d", e.Flag, e.Count, counts[e.Flag])
		}
	}
	after := c.State()
	if after.Counts != counts {
		t.Fatalf("counts %v, edges say %v", after.Counts, counts)
	}
	if (level^after.Word)&Now != 0 {
		t.Fatalf("edges end at %#x, the word is %#x", level&Now, after.Word&Now)
	}
	for f := range Flag(Flags) {
		active, known1 := c.Active(f)
		if known1 != (known&f.Bit() != 0) || known1 && active != (word&f.Bit() != 0) {
			t.Fatalf("%v: active %v known %v after word %#x known %#x", f, active, known1, word, known)
		}
		if cleared := before.Word&f.HistoryBit() != 0 && after.Word&f.HistoryBit() == 0; cleared && (before.Word^after.Word)&f.Bit() == 0 && after.Counts[f] != before.Counts[f] {
			t.Fatalf("%v: a cleared history counted", f)
		}
	}
}

func FuzzCounter(f *testing.F) {
	f.Add([]byte{0, 0xff, 0x55, 0xff, 0x50, 0xff, 0, 0xff})
	f.Add([]byte{0x10, 0x11, 0, 0, 0x01, 0x11})
	f.Fuzz(func(t *testing.T, steps []byte) {
		c := New("boot", State{})
		for len(steps) >= 2 {
			spread := func(b byte) uint32 { return uint32(b&0xf) | uint32(b>>4)<<16 }
			follow(t, c, spread(steps[0]), spread(steps[1]))
			if len(steps)%5 == 0 {
				c.From(fmt.Sprint(len(steps) % 3))
			}
			if len(steps)%7 == 0 { // a restart in the middle is not seen from outside
				restarted := New("boot", c.State())
				restarted.known = c.known
				c = restarted
			}
			steps = steps[2:]
		}
	})
}

// FuzzState starts from whatever a damaged file may hold.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"boot_id":"boot","word":327685,"counts":[1,0,1,0]}`), uint32(0x50000))
	f.Fuzz(func(t *testing.T, text []byte, word uint32) {
		var saved State
		if json.Unmarshal(text, &saved) != nil {
			return
		}
		follow(t, New("boot", saved), word, All)
	})
}

// TestSupply drives a model of the firmware with dips of any length, a reader that clears its history now and then, and
// samples once a second: every dip that a sample can tell from its neighbours is counted, and never more than there were.
func TestSupply(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := New("boot", State{})
		var active, seenHistory, seenActive bool
		var history, sampled uint32
		var want, dips uint64
		for tick := range 3000 { // of 100 ms, the firmware's own step
			switch random.IntN(20) {
			case 0:
				if active = !active; active {
					dips++
				}
			case 1:
				history = 0
			}
			if active {
				history = UnderVoltage.HistoryBit()
			}
			if tick%10 != 9 {
				continue
			}
			sampled = history
			if active {
				sampled |= UnderVoltage.Bit()
			}
			has := history != 0
			if active && !seenActive || !active && !seenActive && has && !seenHistory {
				want++
			}
			seenActive, seenHistory = active, has
			c.Step(sampled, All)
		}
		if got := c.Count(UnderVoltage); got != want || got > dips {
			t.Fatalf("seed %d: counted %d dips; the samples show %d of the supply's %d", seed, got, want, dips)
		}
	}
}

func TestEveryPairOfWords(t *testing.T) {
	for pair := range uint32(1 << 16) {
		before, after := pair&0xff, pair>>8
		spread := func(v uint32) uint32 { return v&0xf | v>>4<<16 }
		c := New("boot", State{})
		follow(t, c, spread(before), All)
		follow(t, c, spread(after), All)
		if rises := c.Count(UnderVoltage) + c.Count(FrequencyCapped) + c.Count(Throttled) + c.Count(SoftTemperatureLimit); rises > uint64(bits.OnesCount32(before)+bits.OnesCount32(after)) {
			t.Fatalf("%#x then %#x: %d rises from fewer bits", spread(before), spread(after), rises)
		}
	}
}

// TestStateOfAnOlderVersion goes on from a file that does not name its source: what it has seen is no news, and what it
// has not seen counts.
func TestStateOfAnOlderVersion(t *testing.T) {
	for word, want := range map[uint32]uint64{0x10000: 3, 0x50000: 3, 0x10001: 4} {
		var saved State
		if err := json.Unmarshal([]byte(`{"boot_id":"boot","word":65536,"counts":[3,0,0,0]}`), &saved); err != nil {
			t.Fatal(err)
		}
		c := New("boot", saved)
		c.From("/dev/vcio_gencmd")
		c.Step(word, All)
		throttled := uint64(word >> 18 & 1)
		if c.Count(UnderVoltage) != want || c.Count(Throttled) != throttled || c.State().Source != "/dev/vcio_gencmd" {
			t.Errorf("%#x: %+v, want %d", word, c.State(), want)
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	c := New("boot", State{})
	word := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { word ^= All; c.Step(word, All) }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func TestNames(t *testing.T) {
	for f, want := range map[Flag]string{
		UnderVoltage: "under-voltage", FrequencyCapped: "frequency-capped", Throttled: "throttled",
		SoftTemperatureLimit: "soft-temperature-limit", Flags: "unknown-flag",
	} {
		if f.String() != want {
			t.Errorf("flag %d is %q, want %q", uint8(f), f, want)
		}
	}
}
