package power

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTranscripts plays testdata/*.txt: a line that begins with "> " is a command, the lines after it are what the machine
// did, everything from "#" on is for the reader.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{t: t, now: epoch, low: true}
			for line := range strings.Lines(string(want)) {
				line = strings.TrimRight(line, "\n")
				switch {
				case strings.HasPrefix(line, "> "):
					s.say("%s", line)
					s.command(strings.Fields(line[2:]))
				case line == "", strings.HasPrefix(line, "#"):
					s.say("%s", line)
				}
			}
			got := s.out.String()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("the story changed; run with -update and read the difference. Now it is:\n%s", got)
			}
		})
	}
}

// stage is one machine with a disk that writes at once, a rail that does as it is told, and an agent that speaks each second
// while it is up.
type stage struct {
	t   *testing.T
	cfg Config
	sig Signal
	m   *Machine
	now time.Time
	out strings.Builder

	disk       Record
	up         bool
	boot       int
	rail       bool
	low        bool
	stuck      bool // the rail does not move
	pulledUp   bool // the line does not fall when the rail does
	refuses    bool // a write of the rail fails
	unreadable bool // the rail
	full       bool // the disk takes nothing
	once       bool // it takes one record more
	waiting    []Persist
	rebooted   int // boots of the master
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) note(format string, args ...any) {
	s.say("%9.3fs  %s", s.now.Sub(epoch).Seconds(), fmt.Sprintf(format, args...))
}

func (s *stage) step(ev Event) {
	for _, a := range slices.Clone(s.m.Step(s.now, ev)) {
		s.act(a)
	}
	for len(s.waiting) > 0 && !s.full {
		p := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.disk = p.Record
		s.full = s.once
		s.step(Persisted{p.Number})
	}
}

func (s *stage) act(a Action) {
	switch a := a.(type) {
	case Persist:
		s.waiting = append(s.waiting, a)
	case SwitchRail:
		s.note("RAIL %s", onOff(a.On))
		if !s.stuck {
			s.rail = a.On
			if !a.On {
				s.up = false
			}
		}
		written := RailWritten{On: a.On}
		if s.refuses {
			written.Err = errors.New("exit status 1")
		}
		s.step(written)
		s.readRail()
		if !s.rail && !s.low && !s.pulledUp {
			s.low = true
			s.step(LineEdge{false, s.now})
		}
	case AskPowerOff:
		s.note("asks its agent to power off%s", map[bool]string{true: ", without a signal"}[a.WithoutSignal])
	case AskReboot:
		s.note("asks its agent to reboot")
	case AskPulse:
		s.note("asks its agent for a pulse of %v", a.Width)
	case Changed:
		s.note("%v -> %v: %s", a.From, a.To, a.Reason)
	case Milestone:
		if a.Detail != "" {
			a.Name += ": " + a.Detail
		}
		s.note("%s %s", a.Operation, a.Name)
	case Ended:
		s.note("%s %s, %s", a.Operation, [...]string{"DONE", "FAILED", "CANCELLED"}[a.Outcome], a.Reason)
	case Alarm:
		s.note("%s %s", map[bool]string{true: "ALARM", false: "alarm ends:"}[a.Active], a.Message)
	}
}

func onOff(on bool) string { return map[bool]string{true: "on", false: "off"}[on] }

func (s *stage) command(words []string) {
	args := append(words[1:], "", "")
	ask := func(ev Event) {
		if err := s.m.May(ev); err != nil {
			s.note("REFUSED %v", err)
		}
		s.step(ev)
	}
	switch words[0] {
	case "worker":
		s.worker(words[1:])
	case "coordinator":
		s.coordinator(words[1:])
	case "run":
		s.run(s.duration(args[0]))
	case "still": // the process stands still
		s.now = s.now.Add(s.duration(args[0]))
		s.step(Tick{})
	case "up":
		s.up, s.boot = true, s.boot+1
		s.speak()
	case "heard":
		s.up = true
		s.speak()
	case "answers": // a new stream, with an old sample
		s.step(Heard{BootID: fmt.Sprint("boot-", s.boot), SampledAt: s.now.Add(-s.duration(args[0])), First: true})
	case "silent":
		s.up = false
		s.step(Silent{})
	case "signal":
		s.signal(args[0])
	case "stop":
		ask(Stop{args[0]})
	case "start":
		ask(Start{args[0]})
	case "reboot":
		ask(Reboot{args[0]})
	case "cut":
		ask(Cut{args[0], strings.Join(words[2:], " ")})
	case "test":
		ask(Test{args[0]})
	case "cancel":
		ask(Cancel{Operation: args[0]})
	case "maintain":
		ask(Maintain{args[0] == "on"})
	case "clear":
		ask(Clear{})
	case "proceed":
		s.step(Proceed{})
	case "grant":
		s.step(Grant{})
	case "accepts":
		s.step(Answered{Operation: s.m.Task().Operation})
	case "refuses":
		s.step(Answered{Operation: s.m.Task().Operation, Err: errors.New(strings.Join(words[1:], " "))})
	case "breaks":
		s.step(Answered{Operation: s.m.Task().Operation, Err: errBroken, Unsure: true})
	default:
		s.wires(words[0], args, words[1:])
	}
}

// wires are the commands about what is seen.
func (s *stage) wires(command string, args, words []string) {
	switch command {
	case "announces":
		kinds := map[string]Announcement{"poweroff": AnnouncedPowerOff, "reboot": AnnouncedReboot, "cancelled": AnnouncedCancelled, "something": AnnouncedUnspecified}
		s.step(Announced{kinds[args[0]], s.now})
	case "edges": // each is how long the level lasts: the line rises, falls, rises
		for _, word := range words {
			s.low = !s.low
			s.step(LineEdge{!s.low, s.now})
			s.run(s.duration(word))
		}
	case "line":
		s.low = args[0] == "low"
		switch args[0] {
		case "pulled-up":
			s.low, s.pulledUp = true, true
		case "broken":
			s.step(LineSeen{Err: errors.New("gpiochip0 is gone")})
		default:
			s.step(LineEdge{!s.low, s.now})
		}
	case "rail":
		switch args[0] {
		case "stuck":
			s.stuck = true
		case "refuses":
			s.stuck, s.refuses = true, true
		case "free":
			s.stuck = false
		default:
			s.rail = args[0] == "on"
		}
	case "disk":
		s.full, s.once = args[0] == "full", args[0] == "once"
		if !s.full {
			s.step(Tick{})
		}
	case "pulsed":
		ev := Pulsed{Operation: s.m.Task().Operation}
		if len(words) > 0 {
			ev.Err = errors.New(strings.Join(words, " "))
		}
		s.step(ev)
	case "strayed":
		s.step(Strayed{args[0], s.now})
	case "witnessed":
		s.step(Witnessed{})
	case "show":
		s.note("%s; line %v, wiring %v, counts for %.1f A of 1.4 A", s.m.Explain(), s.m.Line(), s.m.Wiring(), s.m.Committed(1.2, 1.4))
	default:
		s.t.Fatalf("unknown command %q", command)
	}
}

func (s *stage) worker(words []string) {
	s.cfg = Config{Node: "worker-2", Rail: RailLine, Line: true, CutWhenHalted: true}
	s.rail, s.sig = true, overlay
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "trusted":
			s.cfg.TrustWiring = true
		case "left-halted":
			s.cfg.CutWhenHalted = false
		case "no-line":
			s.cfg.Line = false
		case "no-rail":
			s.cfg.Rail = RailNone
		case "command-rail":
			s.cfg.Rail = RailCommand
		case "unreadable":
			s.unreadable = true
		case "master":
			s.cfg.Master = true
		case "rail":
			s.rail = value == "on"
		case "cut-stuck-after":
			s.cfg.CutStuckAfter = s.duration(value)
		case "fence-lost-after":
			s.cfg.FenceLostAfter = s.duration(value)
		default:
			s.signal(word)
		}
	}
}

func (s *stage) signal(word string) {
	s.sig = map[string]Signal{"overlay": overlay, "helper": helper, "broken": {Mechanism: MechanismHelper, Error: "bramble-done is not installed"},
		"slow-overlay": {Mechanism: MechanismOverlay, ActiveDelay: 500 * time.Millisecond, InactiveDelay: 300 * time.Millisecond}}[word]
}

// coordinator starts it with what is on disk: "coordinator", "coordinator restarts 2s", "coordinator on-a-restarted-master".
func (s *stage) coordinator(words []string) {
	var kept *Record
	if len(words) > 0 {
		s.waiting, s.full, s.once, kept = nil, false, false, new(s.disk)
		s.now = s.now.Add(s.duration(words[len(words)-1]))
	}
	if slices.Contains(words, "and-master") {
		s.rebooted++
	}
	s.m = New(s.cfg, kept, s.now, Instant{fmt.Sprint("master-", s.rebooted), time.Minute + s.now.Sub(epoch)})
	s.readRail()
	s.step(LineSeen{High: !s.low})
}

func (s *stage) readRail() {
	if s.unreadable {
		s.step(RailSeen{Err: errors.ErrUnsupported})
		return
	}
	s.step(RailSeen{On: s.rail})
}

func (s *stage) speak() {
	s.step(Heard{BootID: fmt.Sprint("boot-", s.boot), SampledAt: s.now})
	s.step(Reported{s.sig})
}

// run lets time pass: the rail is read and the agent speaks each second, and the machine gets its ticks.
func (s *stage) run(d time.Duration) {
	end := s.now.Add(d)
	for second := s.now.Add(time.Second); s.now.Before(end); {
		next := min(second.UnixNano(), end.UnixNano())
		if at, ok := s.m.Next(); ok {
			next = min(next, at.UnixNano())
		}
		s.now = time.Unix(0, next)
		if !s.now.Before(second) {
			second = second.Add(time.Second)
			s.readRail()
			if s.up {
				s.speak()
			}
		}
		s.step(Tick{})
	}
}

func (s *stage) duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}
