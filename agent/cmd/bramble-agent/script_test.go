package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"github.com/bramblemesh/bramble/host/hosttest"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

var update = flag.Bool("update", false, "write what the command prints into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bramble-agent": main})
}

// TestScripts is the specification of the command, as scripts that run the real program. In them:
//
//	board NAME [TREE]        $BOARD is a copy of a kind of board's files, with those of the file TREE over them
//	certificates DIR         the PEM files of an authority and of a node "localhost"
//	expand FILE              puts the environment's values in place of $NAME
//	port                     $PORT is free on loopback
//	exits CODE ARG...        bramble-agent ARG... must end with CODE
//	start ARG...             bramble-agent ARG... in the background, under a systemd that listens
//	told STATE...            until systemd has been told each of these
//	ends SIGNAL... CODE      sends the signals; the program must end with CODE
//	[!] watch ADDRESS [DIR]  prints what the first message of a stream says, with the certificates of DIR
//	hold PATH                a process that answers on a unix socket
//	dead PATH                a unix socket that its process left behind
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Values["background"] = &background{news: make(chan struct{}, 1), ended: make(chan error, 1)}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"board": func(ts *testscript.TestScript, _ bool, args []string) {
				root := hosttest.Tree(t, args[0])
				if len(args) > 1 {
					hosttest.Unpack(t, root, ts.ReadFile(args[1]))
				}
				ts.Setenv("BOARD", root)
			},
			"certificates": func(ts *testscript.TestScript, _ bool, args []string) {
				dir := ts.MkAbs(args[0])
				ts.Check(os.Mkdir(dir, 0o700))
				identitytest.NewAuthority(t, "case").Issue(t, dir, identitytest.Request{})
			},
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
			},
			"port": func(ts *testscript.TestScript, _ bool, _ []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Setenv("PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
				ts.Check(l.Close())
			},
			"exits": exits,
			"start": start,
			"told":  told,
			"ends":  ends,
			"watch": watch,
			"hold": func(ts *testscript.TestScript, _ bool, args []string) {
				l, err := net.Listen("unix", ts.MkAbs(args[0]))
				ts.Check(err)
				ts.Defer(func() { l.Close() })
			},
			"dead": func(ts *testscript.TestScript, _ bool, args []string) {
				l, err := net.Listen("unix", ts.MkAbs(args[0]))
				ts.Check(err)
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				ts.Check(l.Close())
			},
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("bramble-agent", args[1:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("bramble-agent ended with %d, not %d", code, want)
	}
}

// background is a script's program in the background, and the systemd that it tells of itself.
type background struct {
	command *exec.Cmd
	ended   chan error

	mu   sync.Mutex
	told []string
	news chan struct{}
}

func inBackground(ts *testscript.TestScript) *background { return ts.Value("background").(*background) }

func start(ts *testscript.TestScript, _ bool, args []string) {
	b := inBackground(ts)
	b.mu.Lock()
	b.told = nil
	b.mu.Unlock()
	socket := ts.MkAbs("notify")
	os.Remove(socket) // of the program before
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: socket})
	ts.Check(err)
	log, err := os.Create(ts.MkAbs("log"))
	ts.Check(err)
	binary, err := exec.LookPath("bramble-agent")
	ts.Check(err)
	b.command = exec.Command(binary, args...)
	b.command.Dir, b.command.Stderr = ts.MkAbs("."), log
	b.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=10000000")
	ts.Check(b.command.Start())
	var wg sync.WaitGroup
	wg.Go(func() { b.listen(conn) })
	wg.Go(func() { b.ended <- b.command.Wait() })
	ts.Defer(func() {
		b.command.Process.Kill()
		conn.Close()
		wg.Wait()
		log.Close()
	})
}

func (b *background) listen(conn *net.UnixConn) {
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.told = append(b.told, string(buffer[:n]))
		b.mu.Unlock()
		select {
		case b.news <- struct{}{}:
		default:
		}
	}
}

func told(ts *testscript.TestScript, _ bool, args []string) {
	b, deadline := inBackground(ts), time.After(20*time.Second)
	for _, state := range args {
		for !b.heard(state) {
			select {
			case <-b.news:
			case err := <-b.ended:
				ts.Fatalf("the program ended (%v): %s", err, ts.ReadFile("log"))
			case <-deadline:
				ts.Fatalf("systemd was not told %s but %q", state, b.told)
			}
		}
	}
}

func (b *background) heard(state string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.told, state)
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	b, last := inBackground(ts), len(args)-1
	for _, name := range args[:last] {
		ts.Check(b.command.Process.Signal(map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[name]))
	}
	select {
	case <-b.ended:
	case <-time.After(20 * time.Second):
		ts.Fatalf("the program does not end: %s", ts.ReadFile("log"))
	}
	if code := b.command.ProcessState.ExitCode(); strconv.Itoa(code) != args[last] {
		ts.Fatalf("the program ended with %d, not %s: %s", code, args[last], ts.ReadFile("log"))
	}
}

func watch(ts *testscript.TestScript, refused bool, args []string) {
	secure := insecure.NewCredentials()
	if len(args) > 1 {
		dir := ts.MkAbs(args[1])
		source, err := identity.Load(identity.Files{
			Authority:   filepath.Join(dir, "authority.pem"),
			Certificate: filepath.Join(dir, "certificate.pem"),
			Key:         filepath.Join(dir, "key.pem"),
		}, nil)
		ts.Check(err)
		secure = source.Client()
	}
	conn, err := grpc.NewClient(args[0], grpc.WithTransportCredentials(secure))
	ts.Check(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m := &agentv1.WatchResponse{}
	stream, err := agentv1.NewAgentServiceClient(conn).Watch(ctx, &agentv1.WatchRequest{})
	if err == nil {
		m, err = stream.Recv()
	}
	if refused {
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	out := ts.Stdout()
	n := m.GetNode()
	fmt.Fprintf(out, "node %s, board %q, boot %s\n", n.GetName(), n.GetBoard().GetModel(), n.GetBootId())
	for i, r := range m.GetReadings() {
		fmt.Fprintf(out, "%s: %v %v %v %s\n", n.GetSensors()[i].GetName(), r.GetCelsius(), r.GetHertz(), r.GetMegabitsPerSecond(), r.GetError())
	}
	for _, f := range m.GetThrottling().GetFlags() {
		fmt.Fprintf(out, "%v: %v %d\n", f.GetFlag(), f.GetActive(), f.GetCount())
	}
	for _, c := range n.GetCapabilities() {
		fmt.Fprintf(out, "%v: %v\n", c.GetKind(), c.GetState())
	}
}
