package fan_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/fan"
)

var update = flag.Bool("update", false, "write what the controller says into testdata")

// Each file in testdata is a story: commands, a line of dashes, and what the
// controller said meanwhile. A decision is printed when its mode, cause, bound
// or subject changes, and at the end of a run.
//
//	fan may-stop | start=40%       begin anew, with these settings
//	node NAME[/SENSOR] 48 [set=50] [limit=60]     a reading, fresh every second
//	slope NAME[/SENSOR] 0.2        kelvins per second from now on
//	silent | fails | boots | fine | gone NAME[/SENSOR]
//	tach follows | stands | fails | absent
//	write fails | works
//	override 40% 10m | off
//	clock -1h                      the clock jumps
//	run 30s
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newStory(t).tell(string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("the controller tells another story (go test -update writes it down):\n%s", firstDifference(string(text), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

type story struct {
	bench
	elapsed time.Duration
	slope   map[string]float64
	lost    map[string]bool
	said    strings.Builder
	key     string
}

func newStory(t *testing.T) *story {
	s := &story{slope: map[string]float64{}, lost: map[string]bool{}}
	s.bench = *newBench(t, fan.Config{})
	return s
}

// tell runs the commands of a text and returns it with the answers renewed.
func (s *story) tell(text string) string {
	var out strings.Builder
	answer := false
	for line := range strings.Lines(text) {
		switch command := strings.TrimSpace(line); {
		case command == "----":
			out.WriteString("----\n" + s.said.String())
			s.said.Reset()
			answer = true
		case answer && command != "":
		default:
			answer = false
			out.WriteString(line)
			if command != "" && !strings.HasPrefix(command, "#") {
				if err := s.do(strings.Fields(command)); err != nil {
					s.t.Fatalf("%s: %v", command, err)
				}
			}
		}
	}
	return out.String()
}

func (s *story) do(words []string) error {
	words = append(words, "", "")
	switch verb, subject := words[0], words[1]; verb {
	case "fan":
		return s.begin(words[1:])
	case "node":
		return s.read(subject, words[2:])
	case "slope":
		return number(words[2], func(x float64) { s.slope[subject] = x })
	case "silent", "fails", "boots", "fine", "gone":
		return s.fate(verb, subject)
	case "tach":
		return s.tach(subject)
	case "write":
		s.in.WriteErr = nil
		if subject == "fails" {
			s.in.WriteErr = errors.New("no such device")
		}
	case "override":
		s.in.Override = fan.Override{}
		if subject != "off" {
			d, err := time.ParseDuration(words[2])
			if err != nil {
				return err
			}
			return number(subject, func(x float64) { s.override(x, d) })
		}
	case "clock", "run":
		d, err := time.ParseDuration(subject)
		if err != nil {
			return err
		}
		if verb == "clock" {
			s.now = s.now.Add(d)
			return nil
		}
		s.runOn(d)
	default:
		return errors.New("unknown command")
	}
	return nil
}

func (s *story) begin(settings []string) error {
	var cfg fan.Config
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		var err error
		switch name {
		case "":
		case "may-stop":
			cfg.MayStop = true
		case "start":
			err = number(value, func(x float64) { cfg.StartDuty = x })
		default:
			err = fmt.Errorf("unknown setting %s", name)
		}
		if err != nil {
			return err
		}
	}
	s.fan = fan.New(cfg)
	return cfg.Validate()
}

func number(word string, use func(float64)) error {
	value, percent := strings.CutSuffix(word, "%")
	x, err := strconv.ParseFloat(value, 64)
	if percent {
		x /= 100
	}
	use(x)
	return err
}

func key(n *fan.NodeInput) string { return n.Node + "/" + n.Sensor }

func (s *story) find(subject string) *fan.NodeInput {
	node, sensor, given := strings.Cut(subject, "/")
	if !given {
		sensor = "cpu"
	}
	for i := range s.in.Nodes {
		if n := s.bench.node(i); n.Node == node && n.Sensor == sensor {
			return n
		}
	}
	s.in.Nodes = append(s.in.Nodes, fan.NodeInput{Node: node, Sensor: sensor, SetPointCelsius: 55})
	return s.bench.node(len(s.in.Nodes) - 1)
}

func (s *story) read(subject string, words []string) error {
	n := s.find(subject)
	n.Known, n.Booting = true, false
	s.slope[key(n)] = 0
	for _, word := range words {
		name, value, given := strings.Cut(word, "=")
		to := &n.Celsius
		switch {
		case word == "":
			continue
		case !given:
			value = name
		case name == "set":
			to = &n.SetPointCelsius
		case name == "limit":
			to = &n.LimitCelsius
		}
		if err := number(value, func(x float64) { *to = x }); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) fate(verb, subject string) error {
	n := s.find(subject)
	switch verb {
	case "silent":
		s.mute[n.Node] = true
	case "fails":
		n.Known = false
	case "boots":
		n.Booting, n.Known = true, false
	case "fine":
		s.mute[n.Node], n.Known, n.Booting = false, true, false
	case "gone":
		for i := range s.in.Nodes {
			if s.bench.node(i) == n {
				s.in.Nodes = append(s.in.Nodes[:i], s.in.Nodes[i+1:]...)
				s.in.Absent = len(s.in.Nodes) == 0
				return nil
			}
		}
	}
	return nil
}

func (s *story) tach(how string) error {
	s.rpm, s.in.Tach = nil, fan.TachAbsent
	switch how {
	case "follows":
		s.rpm = lagging(1.5, fan.DefaultCurve().Expected(s.last.Duty))
	case "stands":
		s.rpm = func(float64) float64 { return 0 }
	case "fails":
		s.in.Tach = fan.TachFailed
	case "absent":
	default:
		return errors.New("a tach follows, stands, fails or is absent")
	}
	return nil
}

func (s *story) runOn(d time.Duration) {
	for left := d; left > 0; left -= s.every {
		for i := range s.in.Nodes {
			s.bench.node(i).Celsius += s.slope[key(s.bench.node(i))]
		}
		d := s.step().Decision
		bound := d.Bound
		if bound == fan.BoundResolution || bound == fan.BoundDeadBand {
			bound = fan.BoundNone // these come and go with every small move
		}
		key := fmt.Sprint(d.Mode, d.Cause, bound, d.Node, d.Sensor, d.Stalled, d.Frozen)
		if key != s.key || left == s.every {
			fmt.Fprintf(&s.said, "%8s  %s\n", s.elapsed, d)
		}
		s.key = key
		s.elapsed += s.every
	}
}
