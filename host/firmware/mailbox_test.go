package firmware

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// flat answers either tag without looking or allocating.
type flat struct{}

func (flat) property(words []uint32) error {
	words[1], words[4] = success, response|4
	if words[2] == tagGencmd {
		copy(words[6:], []uint32{0x6f726874, 0x656c7474, 0x78303d64, 0x30303035, 0}) // throttled=0x5000
	}
	return nil
}

// TestRequestNumbers: _IOWR(100, 0, char *) as a 64-bit and as a 32-bit program
// computes it.
func TestRequestNumbers(t *testing.T) {
	if got := uint64(request(8)); got != 0xc0086400 {
		t.Errorf("64-bit: %#x", got)
	}
	if got := uint64(request(4)); got != 0xc0046400 {
		t.Errorf("32-bit: %#x", got)
	}
}

func littleEndian(words []uint32) []byte {
	var out []byte
	for _, word := range words {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return out
}

func TestThrottledMessage(t *testing.T) {
	words := throttledMessage()
	const want = "1c000000" + "00000000" + "46000300" + "04000000" + "00000000" + "00000000" + "00000000"
	if got := hex.EncodeToString(littleEndian(words[:])); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestGencmdMessage(t *testing.T) {
	var message [263]uint32
	message[100], message[262] = 0xdeadbeef, 0xdeadbeef // rests of the last answer
	fillGencmd(&message, "get_throttled")
	want := "1c040000" + "00000000" + "80000300" + "00040000" + "00000000" + "00000000" +
		hex.EncodeToString([]byte("get_throttled")) + "000000" + strings.Repeat("00000000", 263-6-4)
	if got := hex.EncodeToString(littleEndian(message[:])); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseThrottled(t *testing.T) {
	for _, test := range []struct {
		name  string
		words [7]uint32
		want  uint32
		ok    bool
	}{
		{"value", [7]uint32{28, success, tagThrottled, 4, 0x80000004, 0x50005, 0}, 0x50005, true},
		{"longer value", [7]uint32{28, success, tagThrottled, 4, 0x80000008, 0x1, 0}, 1, true},
		{"no mark: the firmware does not know the tag", [7]uint32{28, success, tagThrottled, 4, 0, 0, 0}, 0, false},
		{"short value", [7]uint32{28, success, tagThrottled, 4, 0x80000000, 0x50005, 0}, 0, false},
		{"a length without the mark", [7]uint32{28, success, tagThrottled, 4, 4, 0x50005, 0}, 0, false},
		{"another tag", [7]uint32{28, success, tagGencmd, 4, 0x80000004, 0x50005, 0}, 0, false},
	} {
		got, err := parseThrottled(test.words)
		if (err == nil) != test.ok || got != test.want {
			t.Errorf("%s: %#x, %v", test.name, got, err)
		}
		if err != nil && !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: %v is not ErrNoAnswer", test.name, err)
		}
	}
}

func TestGencmdAnswers(t *testing.T) {
	for _, test := range []struct {
		name, text string
		code       uint32
		want       uint32
		err        string // "" = none
	}{
		{"none set", "throttled=0x0", 0, 0, ""},
		{"all set", "throttled=0xF000F\n", 0, 0xf000f, ""},
		{"widest", "throttled=0xffffffff", 0, 0xffffffff, ""},
		{"too wide", "throttled=0x100000000", 0, 0, "not understood"},
		{"no digits", "throttled=0x", 0, 0, "not understood"},
		{"decimal", "throttled=5", 0, 0, "not understood"},
		{"sign", "throttled=0x-5", 0, 0, "not understood"},
		{"underscore", "throttled=0x5_0", 0, 0, "not understood"},
		{"the question came back", "get_throttled", 0, 0, "not understood"},
		{"bytes", "\xff\xfe\x01", 0, 0, `"\xff\xfe\x01"`},
		{"nothing", "", 0, 0, ErrNoAnswer.Error()},
		{"no end", strings.Repeat("7", gencmdBytes), 0, 0, "no end"},
		{"no such command", `error=1 error_msg="Command not registered"`, 0, 0, "unsupported"},
		{"error number", "throttled=0x0", 0xffffffff, 0, "error 4294967295"},
	} {
		node := &videocore{t: t, code: test.code, texts: map[string]string{"get_throttled": test.text}}
		s := gencmd{mailbox: node}
		got, err := s.word()
		switch {
		case test.err == "" && (err != nil || got != test.want):
			t.Errorf("%s: %#x, %v", test.name, got, err)
		case test.err != "" && (err == nil || got != 0 || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: %#x, %v; want %q", test.name, got, err, test.err)
		}
	}
}

func TestOtherTexts(t *testing.T) {
	for text, want := range map[string]float64{"temp=48.3'C": 48.3, "temp=-5.0'C\n": -5, "temp=NaN'C": -1, "temp='C": -1, "48.3'C": -1, "temp=48.3": -1, "temp=4830'C": -1} {
		if got, err := parseTemperature(text); want == -1 && err == nil || want != -1 && (err != nil || got != want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]uint64{"frequency(48)=1500345728": 1500345728, "frequency(0)=2400033792\n": 2400033792, "frequency(48)=": 0, "frequency=5": 0, "frequency(48)=-5": 0, "clock(48)=5": 0} {
		if got, err := parseClock(text); want == 0 && err == nil || want != 0 && (err != nil || got != want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// FuzzGencmd feeds arbitrary answers to the whole way from message to word. What
// is taken for a word must be one that the firmware could have written.
func FuzzGencmd(f *testing.F) {
	f.Add([]byte("throttled=0x50005\x00"), uint32(success), uint32(0))
	f.Add([]byte(`error=1 error_msg="Command not registered"`), uint32(success), uint32(1))
	f.Add([]byte{}, uint32(0x80000001), uint32(0))
	f.Add([]byte(strings.Repeat("x", 1100)), uint32(success), uint32(0))
	f.Fuzz(func(t *testing.T, answer []byte, code, number uint32) {
		s := gencmd{mailbox: echo{answer, code, number}}
		word, err := s.word()
		if err != nil {
			if word != 0 || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%#x with error %q", word, err)
			}
		} else if text, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\x00"); code != success || number != 0 || !strings.HasPrefix(text, "throttled=0x") {
			t.Fatalf("%q with code %#x, error %d was read as %#x", text, code, number, word)
		}
		_, _ = parseTemperature(string(answer))
		_, _ = parseClock(string(answer))
	})
}

type echo struct {
	answer       []byte
	code, number uint32
}

func (e echo) property(words []uint32) error {
	words[1], words[5] = e.code, e.number
	for i := 6; i < len(words)-1; i++ {
		words[i] = 0
	}
	for i, b := range e.answer {
		if i < gencmdBytes {
			words[6+i/4] |= uint32(b) << (8 * (i % 4))
		}
	}
	return nil
}

func BenchmarkWord(b *testing.B) {
	s := gencmd{mailbox: flat{}}
	b.ReportAllocs()
	for b.Loop() {
		if word, err := s.word(); err != nil || word != 0x5000 {
			b.Fatal(word, err)
		}
	}
}
