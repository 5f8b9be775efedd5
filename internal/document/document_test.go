package document

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text string) *Document {
	t.Helper()
	doc, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// readAll asks for one key of each kind; the tests below write right and wrong values after them.
func readAll(doc *Document) string {
	m := doc.Map()
	var b strings.Builder
	say := func(what any) { fmt.Fprintf(&b, "%v ", what) }
	say(m.Key("text").String("none"))
	say(m.Key("word").Choice("auto", "auto", "read", "take_over"))
	say(m.Key("truth").Bool(true))
	say(m.Key("line").Int(-1, Limits[int]{Of: "a GPIO line", Max: 57}))
	say(m.Key("factor").Float(1.5, Limits[float64]{Of: "a factor", Min: 0.5, Max: 2}))
	say(m.Key("celsius").Celsius(45, Limits[float64]{Of: "a set-point", Min: 20, Max: 90}))
	say(m.Key("current").Amperes(1.2, Limits[float64]{Of: "a boot peak", Min: 0.1, Max: 10}))
	say(m.Key("share").Percent(0.2, Limits[float64]{Of: "a duty", Max: 1}))
	say(m.Key("time").Duration(10*time.Second, Limits[time.Duration]{Of: "a deadline", Min: time.Second, Max: time.Hour}))
	for _, item := range m.Key("list").List() {
		say(item.String(""))
	}
	say(m.Key("map").Map().Key("inner").Int(7, Limits[int]{Of: "an inner number", Max: 9}))
	return strings.TrimSpace(b.String())
}

const defaults = "none auto true -1 1.5 45 1.2 0.2 10s 7"

func TestRead(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", defaults},
		{"comments only", "# nothing\n", defaults},
		{"null", "null", defaults},
		{"nothing after the keys", "text:\nword: ~\ntruth: null\nline:\nfactor:\ncelsius:\nshare:\ntime:\nlist:\nmap:\n", defaults},
		{"everything", `
text: "12"
word: take_over
truth: false
line: 57
factor: 2
celsius: 45.5
current: 1.34 A
share: 25%
time: 1m30s
list: [a, "b c"]
map: {inner: 0}
`, "12 take_over false 57 2 45.5 1.34 0.25 1m30s a b c 0"},
		{"with a unit", "celsius: 60C", "none auto true -1 1.5 60 1.2 0.2 10s 7"},
		{"with a unit as people write it", "celsius: 60 °C", "none auto true -1 1.5 60 1.2 0.2 10s 7"},
		{"a byte order mark", "\ufefftext: x", "x auto true -1 1.5 45 1.2 0.2 10s 7"},
		{"carriage returns", "text: x\r\nline: 3\r\n", "x auto true 3 1.5 45 1.2 0.2 10s 7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc := parse(t, test.text)
			if got := readAll(doc); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if err := doc.Faults(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ text, want string }{
		{"text: 12", `f.yaml:1: text: 12: must be text; write it in quotes, "12", if that is meant`},
		{"text: [a]", `f.yaml:1: text: must be text, not a list`},
		{"word: off", `f.yaml:1: word: off: one of auto, read, take_over`},
		{"word: {}", `f.yaml:1: word: must be one of auto, read, take_over, not a mapping`},
		{"truth: yes", `f.yaml:1: truth: yes: must be true or false, not text`},
		{"line: 58", `f.yaml:1: line: 58: a GPIO line is 0 to 57`},
		{"line: -1", `f.yaml:1: line: -1: a GPIO line is 0 to 57`},
		{"line: 1.5", `f.yaml:1: line: 1.5: a GPIO line is 0 to 57`},
		{"line: 0x10", `f.yaml:1: line: 0x10: a GPIO line is 0 to 57`},
		{"line: 99999999999999999999", `f.yaml:1: line: 99999999999999999999: a GPIO line is 0 to 57`},
		{"line: '4'", `f.yaml:1: line: 4: must be a whole number, not text`},
		{"factor: .nan", `f.yaml:1: factor: .nan: a factor is 0.5 to 2`},
		{"factor: .inf", `f.yaml:1: factor: .inf: a factor is 0.5 to 2`},
		{"factor: 1_0", `f.yaml:1: factor: 1_0: a factor is 0.5 to 2`},
		{"celsius: 113F", `f.yaml:1: celsius: 113F: a set-point is 20C to 90C, in degrees Celsius`},
		{"celsius: NaN", `f.yaml:1: celsius: NaN: a set-point is 20C to 90C, in degrees Celsius`},
		{"celsius: 0x1p5", `f.yaml:1: celsius: 0x1p5: a set-point is 20C to 90C, in degrees Celsius`},
		{"celsius: Inf", `f.yaml:1: celsius: Inf: a set-point is 20C to 90C, in degrees Celsius`},
		{"current: 1.2V", `f.yaml:1: current: 1.2V: a boot peak is 0.1A to 10A, in amperes`},
		{"share: 20", `f.yaml:1: share: 20: a duty is 0% to 100%, written with its sign`},
		{"share: 120%", `f.yaml:1: share: 120%: a duty is 0% to 100%`},
		{"share: nan%", `f.yaml:1: share: nan%: a duty is 0% to 100%`},
		{"time: 10", `f.yaml:1: time: 10: a deadline is 1s to 1h, with its unit`},
		{"time: 2h", `f.yaml:1: time: 2h: a deadline is 1s to 1h, with its unit`},
		{"time: true", `f.yaml:1: time: true: must be a time such as 10s`},
		{"list: a", `f.yaml:1: list: a: must be a list, not text`},
		{"list:\n- a\n- [b]", `f.yaml:3: list[1]: must be text, not a list`},
		{"map: 3", `f.yaml:1: map: 3: must be a mapping (key: value)`},
		{"map:\n  inner: 10", `f.yaml:2: map.inner: 10: an inner number is 0 to 9`},
		{"map:\n  iner: 1", `f.yaml:2: map.iner: 1: unknown key; did you mean inner? known: inner`},
		{"map:\n  zzz: 1", `f.yaml:2: map.zzz: 1: unknown key; known: inner`},
		{"line: 1\nline: 2", `f.yaml:2: line: written twice: keep one`},
		{"[a]: 1", `f.yaml:1: a key must be a word`},
		{"- a", `f.yaml:1: must be a mapping (key: value), not a list`},
		{"just text", `f.yaml:1: just text: must be a mapping (key: value), not text`},
		{"line: !mine 3", `f.yaml:1: line: 3: must be a whole number`},
		{"word: \"\\e[31mred\"", `f.yaml:1: word: "\x1b[31mred": one of auto, read, take_over`},
		{"word: " + strings.Repeat("x", 100), `f.yaml:1: word: ` + strings.Repeat("x", 48) + `...: one of auto, read, take_over`},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			doc := parse(t, test.text)
			readAll(doc)
			err := doc.Faults()
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if again := doc.Faults(); err != nil && again.Error() != err.Error() {
				t.Errorf("asked twice: %v", again)
			}
		})
	}
}

// A fault leaves the default behind, so that the reader can go on and find the next.
func TestFaultsAreAllFoundAndInOrder(t *testing.T) {
	doc := parse(t, "map: {inner: x}\nlist: 3\ntime: soon\nshare: 1\ncelsius: hot\nfactor: 9\nline: 58\ntruth: 1\nword: x\ntext: 1\nextra: 1\n")
	if got := readAll(doc); got != defaults {
		t.Errorf("got  %s\nwant %s", got, defaults)
	}
	faults, ok := errors.AsType[*FaultsError](doc.Faults())
	if !ok || len(faults.Faults) != 11 {
		t.Fatalf("want eleven faults, got:\n%v", doc.Faults())
	}
	for i, f := range faults.Faults {
		if f.Line != i+1 || f.Path == "" || f.Allowed == "" {
			t.Errorf("fault %d: %+v", i, f)
		}
	}
}

func TestRequired(t *testing.T) {
	doc := parse(t, "nodes:\n- name: a\n- address: b\n-\n")
	for _, item := range doc.Map().Key("nodes").List() {
		m := item.Map()
		m.Key("name").Required("the node's name").String("")
		m.Key("address").String("")
	}
	want := "f.yaml:3: nodes[1].name: missing: needed: the node's name\nf.yaml:4: nodes[2].name: missing: needed: the node's name"
	if err := doc.Faults(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestFaultOfTheReader(t *testing.T) {
	doc := parse(t, "fans:\n- cools: [nobody]\n")
	fan := doc.Map().Key("fans").List()[0]
	fan.Map().Key("cools").List()[0].Fault("no such node")
	fan.Map().At().Fault("cools nothing")
	if item := fan.Map().Key("cools").List()[0]; !item.Faulty() || !item.Is("nobody") || item.Is("somebody") || fan.Map().Key("cools").Faulty() {
		t.Error("one item alone is faulty, and is nobody")
	}
	want := "f.yaml:2: fans[0].cools[0]: nobody: no such node\nf.yaml:2: fans[0]: cools nothing"
	if err := doc.Faults(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"too large", "a: " + strings.Repeat("x", maxBytes), "f.yaml: 1048579 bytes: a configuration has at most 1048576"},
		{"not UTF-8", "a: \xff\xfe", "f.yaml: not UTF-8 text"},
		{"UTF-16", "\xff\xfea\x00:\x00", "f.yaml: not UTF-8 text"},
		{"syntax", "a: 1\nb: [1, 2\nc: 3", "not YAML: did not find expected ',' or ']'"},
		{"a tab", "a:\n\tb: 1", "f.yaml:2: not YAML: "},
		{"control characters", "a: \x01", "f.yaml: not YAML: control characters are not allowed"},
		{"two documents", "a: 1\n---\nb: 1", "a second document (---)"},
		{"aliases", "a: &x [1]\nb: *x", "f.yaml:2: *x: aliases are not read"},
		{"an alias bomb", bomb(), "aliases are not read"},
		{"an alias to itself", "a: &a [*a]", "aliases are not read"},
		{"a merge key", "a: &x {k: 1}\nb:\n  <<: *x", "aliases are not read"},
		{"nesting", strings.Repeat("[", 60) + strings.Repeat("]", 60), "f.yaml:1: nested deeper than 32 levels"},
		{"absurd nesting", strings.Repeat("[", 500_000), "f.yaml"},
		{"absurd nesting of mappings", strings.Repeat("{a: ", 200_000), "f.yaml"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v\nwant one line with %s", err, test.want)
			}
		})
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := range 30 {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	return b.String()
}

// The longest honest list of faults is shorter; a hostile file gets a hundred lines.
func TestFaultsAreCut(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	doc := parse(t, b.String())
	readAll(doc)
	lines := strings.Split(doc.Faults().Error(), "\n")
	if len(lines) != 101 || lines[100] != "f.yaml: and 900 more faults" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestNearest(t *testing.T) {
	known := []string{"rail", "done", "set_point", "minimum_duty", "on"}
	for word, want := range map[string]string{
		"rial": "rail", "rails": "rail", "setpoint": "set_point", "set-point": "set_point", "minimum_dutty": "minimum_duty",
		"fan": "", "x": "", "": "", "temperature": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// FuzzParse looks for a panic, for work without bound, and for a fault without a place.
func FuzzParse(f *testing.F) {
	f.Add([]byte("text: a\nline: 3\nlist: [a]\nmap: {inner: 1}\n"))
	f.Add([]byte("text: &x a\nword: *x\n"))
	f.Add([]byte("celsius: 45C\nshare: 20%\ntime: 10s\nshare: 1\n? [a]\n: b"))
	f.Add([]byte("--- !!map\n<<: {a: 1}\n...\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse("f.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f.yaml:") || strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line with the file's name: %q", err)
			}
			return
		}
		readAll(doc)
		if faults, ok := errors.AsType[*FaultsError](doc.Faults()); ok {
			for _, fault := range faults.Faults {
				if fault.Line < 1 || fault.Allowed == "" || strings.Contains(fault.Path+fault.Value, "\n") {
					t.Errorf("%+v", fault)
				}
			}
		}
	})
}
