package core_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
)

var update = flag.Bool("update", false, "write what the core does into testdata/*.txt")

// TestTranscripts plays testdata/*.txt: a line that begins with "> " is a command, the lines after it are what the core
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
			got := play(t, string(want))
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

type stage struct {
	t   *testing.T
	cfg core.Config
	w   *world
	out strings.Builder

	quiet      bool
	scenes     []func() // that set the boards before the start
	remembers  bool
	masterBoot string
	ticket     uint64
}

func play(t *testing.T, script string) string {
	s := &stage{t: t}
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			s.say("%s", line)
			s.command(strings.Fields(line[2:]))
		case line == "", strings.HasPrefix(line, "#"):
			s.say("%s", line)
		}
	}
	return s.out.String()
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) command(words []string) {
	do := map[string]func(args []string){
		"node": s.node, "fan": s.fan, "start": s.start, "run": s.run, "up": s.up, "down": s.down, "dark": s.dark, "light": s.light,
		"heat": s.heat, "announce": s.announce, "flag": s.flag, "stall": s.stall, "turn": s.turn, "break": s.breakFan, "mend": s.mend,
		"rail": s.rail, "set": s.set, "wall": s.wall, "replay": s.replay, "sensors": s.sensors, "limit": s.limit, "call": s.call, "flood": s.flood, "show": s.show,
	}[words[0]]
	if do == nil {
		do = s.powerCommand(words[0])
	}
	if do == nil {
		s.t.Fatalf("unknown command %q", words[0])
	}
	do(words[1:])
}

func (s *stage) node(args []string) {
	n := core.NodeConfig{Name: args[0], Address: args[0] + ":7700"}
	for _, arg := range args[1:] {
		switch key, value, _ := strings.Cut(arg, "="); key {
		case "set-point":
			n.SetPointCelsius = s.number(value)
		case "limit":
			n.LimitCelsius = s.number(value)
		case "rail":
			n.Rail = true
		case "maintenance":
			n.Maintenance = true
		case "boot-deadline":
			n.BootDeadline = s.duration(value)
		default:
			s.nodePower(&n, key, value)
		}
	}
	s.cfg.Nodes = append(s.cfg.Nodes, n)
}

func (s *stage) fan(args []string) {
	f := core.FanConfig{Name: args[0]}
	for _, arg := range args[1:] {
		switch key, value, _ := strings.Cut(arg, "="); key {
		case "tach":
			f.Tach = true
		case "read-only":
			f.ReadOnly = true
		case "may-stop":
			f.Controller.MayStop = true
		case "nodes":
			f.Nodes = strings.Split(value, ",")
		default:
			s.t.Fatalf("fan: unknown %q", arg)
		}
	}
	s.cfg.Fans = append(s.cfg.Fans, f)
}

// start NAME... starts the coordinator while these agents are up.
func (s *stage) start(args []string) {
	s.w = newWorld(s.cfg, func(at time.Duration, line string) {
		if !s.quiet || !strings.HasPrefix(line, "write") {
			s.say("%8.3fs  %s", at.Seconds(), line)
		}
	})
	s.boards()
	for _, name := range args {
		s.w.agent(name).up = true
	}
	if err := s.w.start(); err != nil {
		s.t.Fatal(err)
	}
}

// run FOR [quietly] lets time pass, without saying what is written if quietly.
func (s *stage) run(args []string) {
	s.quiet = len(args) > 1
	s.w.run(s.duration(args[0]))
	s.quiet = false
}

// up NAME [BOOT] starts an agent.
func (s *stage) up(args []string) {
	a := s.w.agent(args[0])
	a.up = true
	if len(args) > 1 && args[1] != a.boot {
		a.boot, a.announced = args[1], core.ShutdownUnspecified
	}
}

// down NAME ends an agent: its stream ends, and dials are refused.
func (s *stage) down(args []string) {
	a := s.w.agent(args[0])
	a.up = false
	s.w.end(a, "the agent stops")
}

// dark NAME pulls its cable, light NAME plugs it in.
func (s *stage) dark(args []string) { s.w.agent(args[0]).dark = true }
func (s *stage) light(args []string) {
	a := s.w.agent(args[0])
	a.dark, a.open = false, a.open && !a.hung
}

// heat NAME CELSIUS... sets its sensors; "error" fails one.
func (s *stage) heat(args []string) {
	for i, arg := range args[1:] {
		celsius := math.NaN()
		if arg != "error" {
			celsius = s.number(arg)
		}
		s.w.agent(args[0]).celsius[i] = celsius
	}
}

// sensors NAME KIND[:LIMIT]... gives it others.
func (s *stage) sensors(args []string) {
	a := s.w.agent(args[0])
	a.sensors, a.celsius = nil, nil
	kinds := map[string]core.SensorKind{"cpu": core.SensorSoC, "drive": core.SensorDrive, "other": core.SensorOther}
	for i, arg := range args[1:] {
		kind, limit, _ := strings.Cut(arg, ":")
		sensor := core.Sensor{ID: uint32(i + 1), Name: kind, Kind: kinds[kind]}
		if limit != "" {
			sensor.LimitCelsius = s.number(limit)
		}
		a.sensors, a.celsius = append(a.sensors, sensor), append(a.celsius, 40)
	}
}

func (s *stage) announce(args []string) {
	a := s.w.agent(args[0])
	a.announced = map[string]core.ShutdownKind{
		"poweroff": core.ShutdownPowerOff, "reboot": core.ShutdownReboot, "cancelled": core.ShutdownCancelled,
	}[args[1]]
	a.notices = append(a.notices, core.ShutdownNotice{Kind: a.announced})
	s.w.speak(a)
	if a.announced == core.ShutdownCancelled {
		a.announced = core.ShutdownUnspecified
	}
}

// flag NAME rise|fall|dip moves the under-voltage flag.
func (s *stage) flag(args []string) {
	a := s.w.agent(args[0])
	if len(a.flags) == 0 {
		a.flags = []core.FlagState{{Flag: core.FlagUnderVoltage}}
	}
	f := &a.flags[0]
	if args[1] != "fall" {
		f.Count++
		a.edges = append(a.edges, core.FlagEdge{Flag: f.Flag, Active: true, Count: f.Count})
	}
	if args[1] != "rise" {
		a.edges = append(a.edges, core.FlagEdge{Flag: f.Flag, Count: f.Count})
	}
	f.Active = args[1] == "rise"
}

func (s *stage) stall(args []string) { s.w.fan(args[0]).stalled = true }
func (s *stage) turn(args []string)  { s.w.fan(args[0]).stalled = false }

// break FAN tach|output, mend FAN.
func (s *stage) breakFan(args []string) {
	f := s.w.fan(args[0])
	if args[1] == "tach" {
		f.tachErr = errors.New("no such device")
	} else {
		f.writeErr = errors.New("permission denied")
	}
}
func (s *stage) mend(args []string) { s.w.fan(args[0]).tachErr, s.w.fan(args[0]).writeErr = nil, nil }

func (s *stage) rail(args []string) { s.w.agent(args[0]).rail = args[1] }

// set FAN auto | set FAN DUTY HOLD; "-" is the empty name.
func (s *stage) set(args []string) {
	ev := core.SetFan{Fan: strings.TrimPrefix(args[0], "-")}
	if ev.Automatic = args[1] == "auto"; !ev.Automatic {
		ev.Duty, ev.Hold = s.number(args[1]), s.duration(args[2])
	}
	s.w.step(ev)
}

func (s *stage) wall(args []string) {
	years, err := strconv.Atoi(strings.TrimSuffix(args[0], "y"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.wall += time.Duration(years) * 365 * 24 * time.Hour
}

// replay NAME sends its last message again.
func (s *stage) replay(args []string) {
	a := s.w.agent(args[0])
	a.sequence--
	s.w.speak(a)
}

func (s *stage) show(args []string) {
	switch args[0] {
	case "nodes":
		for _, n := range s.w.core.Nodes(0) {
			s.say("          %s %s, reboots %d %s", n.Name, n.Presence, n.Reboots, n.PresenceReason)
			for _, m := range n.Measurements {
				s.say("            %s %.1f C, set-point %g C, limit %g C %s", m.Sensor, m.Reading.Celsius, m.SetPointCelsius, m.LimitCelsius, m.Reading.Error)
			}
		}
	case "fans":
		for _, f := range s.w.core.Fans(0) {
			s.say("          %s %s: %s", f.Name, f.Mode, f.Reason)
		}
	case "alarms":
		for _, a := range s.w.core.Alarms() {
			s.say("          %s since %.3fs: %s", a.Kind, a.Since.Sub(s.w.base).Seconds(), a.Message)
		}
	}
}

func (s *stage) number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *stage) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// limit NAME CELSIUS is what its board says of itself.
func (s *stage) limit(args []string) { s.w.agent(args[0]).limit = s.number(args[1]) }

// call NAME OTHER is what its agent calls itself.
func (s *stage) call(args []string) { s.w.agent(args[0]).calls = args[1] }

// flood NAME COUNT sends so many edges of a flag at once.
func (s *stage) flood(args []string) {
	a := s.w.agent(args[0])
	for i := range int(s.number(args[1])) {
		a.edges = append(a.edges, core.FlagEdge{Flag: core.FlagThrottled, Active: i%2 == 0, Count: uint64(i/2 + 1)})
	}
	s.w.speak(a)
}
