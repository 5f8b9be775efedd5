package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/screen"
	"github.com/bramblemesh/bramble/sim"
	"github.com/bramblemesh/bramble/sim/mesh"
)

// refresh is how often the view asks the coordinator how things are.
const refresh = 250 * time.Millisecond

// view is the live view: a client of the coordinator like any other, with keys that break the case.
type view struct {
	ctx      context.Context
	p        *plan
	o        *observer
	client   coordinatorv1.CoordinatorServiceClient
	dir      string
	colour   bool
	selected int  // of the case's boards
	help     bool // show where the sockets are

	width, height int
	state         state
}

// state is what the coordinator last said.
type state struct {
	of    *coordinatorv1.GetCaseResponse
	nodes []*coordinatorv1.Node
	err   error
}

type tick struct{}

func newView(ctx context.Context, p *plan, sockets mesh.Sockets, o *observer) (v *view, closeView func(), err error) {
	conn, err := grpc.NewClient(sockets.Address(mesh.CoordinatorSocket), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	return &view{
		ctx: ctx, p: p, o: o, dir: string(sockets), width: 80, height: 24,
		client: coordinatorv1.NewCoordinatorServiceClient(conn),
		colour: os.Getenv("NO_COLOR") == "",
	}, func() { conn.Close() }, nil
}

// Init asks for the first state.
func (v *view) Init() tea.Cmd { return v.ask }

// ask asks the coordinator how things are.
func (v *view) ask() tea.Msg {
	ctx, cancel := context.WithTimeout(v.ctx, time.Second)
	defer cancel()
	var s state
	if s.of, s.err = v.client.GetCase(ctx, &coordinatorv1.GetCaseRequest{}); s.err != nil {
		return s
	}
	var nodes *coordinatorv1.ListNodesResponse
	nodes, s.err = v.client.ListNodes(ctx, &coordinatorv1.ListNodesRequest{})
	s.nodes = nodes.GetNodes()
	return s
}

// Update takes a key, a new size or a new state.
func (v *view) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		v.width, v.height = msg.Width, msg.Height
	case tea.KeyMsg:
		if !v.key(msg.String()) {
			return v, tea.Quit
		}
	case state:
		v.state = msg
		return v, tea.Tick(refresh, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return v, v.ask
	}
	return v, nil
}

// key does what a key says; false means quit.
func (v *view) key(key string) bool {
	boards := v.p.c.Boards()
	board := boards[v.selected]
	switch key {
	case "q", "ctrl+c", "esc":
		return false
	case "down", "j", "tab":
		v.selected = (v.selected + 1) % len(boards)
	case "up", "k", "shift+tab":
		v.selected = (v.selected + len(boards) - 1) % len(boards)
	case "?":
		v.help = !v.help
	case "s":
		v.toggle(sim.Fault{Kind: sim.FaultSilentAgent, Board: board.Name()})
	case "x":
		v.toggle(sim.Fault{Kind: sim.FaultFailedSensor, Board: board.Name()})
	case "f":
		v.toggle(sim.Fault{Kind: sim.FaultStalledFan})
	case "h":
		v.toggle(sim.Fault{Kind: sim.FaultHotRoom})
	case "v":
		v.toggle(sim.Fault{Kind: sim.FaultSupplySag})
	case "r":
		v.did(board.Name(), "you rebooted it", board.Reboot())
	case "p":
		v.did(board.Name(), "you typed poweroff", board.PowerOff())
	case "g":
		v.toggle(sim.Fault{Kind: sim.FaultHungShutdown, Board: board.Name()})
	case "d":
		v.toggle(sim.Fault{Kind: sim.FaultDoneStuckLow, Board: board.Name()})
	case "w":
		v.toggle(sim.Fault{Kind: sim.FaultRailWelded, Board: board.Name()})
	case "l":
		load := 1.0
		if board.Load() > 0.5 {
			load = 0.02
		}
		v.did(board.Name(), fmt.Sprintf("you set its load to %.0f %%", load*100), board.SetLoad(load))
	case "m":
		for _, fault := range v.p.c.Faults() {
			v.toggle(fault)
		}
	}
	return true
}

// toggle breaks something, or mends it if it is broken already.
func (v *view) toggle(fault sim.Fault) {
	same := func(f sim.Fault) bool { return f.Kind == fault.Kind && f.Board == fault.Board }
	subject := fault.Board
	if subject == "" {
		subject = "case"
	}
	if slices.ContainsFunc(v.p.c.Faults(), same) {
		v.did(subject, "you mended: "+fault.Kind.String(), v.p.c.Clear(fault))
		return
	}
	v.did(subject, "you broke: "+fault.Kind.String(), v.p.c.Fault(fault))
}

func (v *view) did(subject, what string, err error) {
	if err != nil {
		what += ", which failed: " + err.Error()
	}
	v.o.say(subject, what)
}

// View draws the whole screen.
func (v *view) View() string {
	s := screen.Screen{Width: v.width, Colour: v.colour, Now: time.Now()}
	keys := v.keys()
	height := v.height - strings.Count(keys, "\n") - 1
	var b strings.Builder
	fmt.Fprintf(&b, "bramble-sim  %s  %s  sockets in %s\n\n", v.p.scenario.Name, v.p.c.Now().Truncate(time.Second), v.dir)
	switch {
	case v.help:
		b.WriteString(v.p.welcome(mesh.Sockets(v.dir)))
	case v.state.err != nil:
		fmt.Fprintf(&b, "the coordinator does not answer: %v\n", v.state.err)
	case v.state.of != nil:
		b.WriteString(s.Live(v.state.of, v.state.nodes, height-2))
	}
	if lines := v.o.last(max(0, height-strings.Count(b.String(), "\n")-1)); len(lines) > 0 {
		b.WriteString("\n")
		for _, line := range lines {
			b.WriteString(clip(line, v.width) + "\n")
		}
	}
	return fit(b.String(), height) + keys
}

// keys lists the keys, with what is broken now.
func (v *view) keys() string {
	var broken []string
	for _, f := range v.p.c.Faults() {
		broken = append(broken, f.String())
	}
	text := "\n"
	if len(broken) > 0 {
		text += clip("broken: "+strings.Join(broken, ", "), v.width) + "\n"
	}
	text += clip(fmt.Sprintf("up/down: %s | s silence  x sensor  l load  r reboot  p poweroff  g hung stop  d dead line  w welded rail", v.p.c.Boards()[v.selected].Name()), v.width) + "\n"
	return text + clip("f fan  h hot room  v supply  m mend all  ? sockets  q quit", v.width)
}

// fit cuts or fills text to exactly so many lines.
func fit(text string, lines int) string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(all) > lines {
		all = all[:max(0, lines)]
	}
	for len(all) < lines {
		all = append(all, "")
	}
	return strings.Join(all, "\n")
}

func clip(line string, width int) string {
	if runes := []rune(line); len(runes) > width && width > 1 {
		return string(runes[:width-1]) + "…"
	}
	return line
}
