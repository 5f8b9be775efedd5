package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestScripts is the specification of the command, as scripts. In them:
//
//	serve CASE [STREAM|- [OPERATION]]
//	                       a coordinator that tells testdata/case/CASE.json, on a watch the lines of STREAM, and of what it
//	                       is asked to do the lines of OPERATION, see power.play; asked.txt has what it was asked
//	refuse CODE MESSAGE    a coordinator that answers everything so
//	hang                   a coordinator that accepts and says nothing
//	bramblectl ARG...      must end with 0
//	exits CODE ARG...      bramblectl ARG... must end with CODE
//	until TEXT ARG...      bramblectl ARG... with Ctrl-C as soon as it printed TEXT; must end with 0
//	broken TEXT ARG...     the same, and must end with 130
//
// WIDTH is the terminal's width; without it the output is a pipe. It is always 14:32 on a Sunday.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve":      serve,
			"refuse":     refuse,
			"hang":       hang,
			"bramblectl": func(ts *testscript.TestScript, _ bool, args []string) { expect(ts, 0, args) },
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				expect(ts, code, args[1:])
			},
			"until":  func(ts *testscript.TestScript, _ bool, args []string) { until(ts, 0, args) },
			"broken": func(ts *testscript.TestScript, _ bool, args []string) { until(ts, exitInterrupted, args) },
		},
	})
}

func now() time.Time { return time.Date(2026, 3, 1, 14, 32, 0, 0, time.UTC) }

func expect(ts *testscript.TestScript, code int, args []string) {
	if got := run(context.Background(), world(ts, args, ts.Stdout())); got != code {
		ts.Fatalf("bramblectl ended with %d, not %d", got, code)
	}
}

func world(ts *testscript.TestScript, args []string, stdout io.Writer) process {
	width, _ := strconv.Atoi(ts.Getenv("WIDTH"))
	return process{
		args: args, getenv: ts.Getenv, stdout: stdout, stderr: ts.Stderr(), now: now,
		width: func() int { return width },
		dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "unix" {
				address = ts.MkAbs(address)
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

func until(ts *testscript.TestScript, code int, args []string) {
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	out := &lookout{to: ts.Stdout(), text: args[0], seen: interrupt}
	if got := run(ctx, world(ts, args[1:], out)); got != code {
		ts.Fatalf("bramblectl ended with %d after Ctrl-C, not %d", got, code)
	}
}

// lookout calls seen once text was written.
type lookout struct {
	to   io.Writer
	text string
	seen func()
	all  bytes.Buffer
}

func (l *lookout) Write(p []byte) (int, error) {
	l.all.Write(p)
	if strings.Contains(l.all.String(), l.text) {
		l.seen()
	}
	return l.to.Write(p)
}

func listen(ts *testscript.TestScript) net.Listener {
	path := filepath.Join(ts.Getenv("WORK"), "socket")
	if before, ok := strings.CutPrefix(ts.Getenv("BRAMBLE_ADDRESS"), "unix://"); ok {
		path = before + "+" // one coordinator after another
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	ts.Check(err)
	ts.Setenv("BRAMBLE_ADDRESS", "unix://"+path)
	return l
}

func serveFake(ts *testscript.TestScript, s *grpc.Server) {
	l := listen(ts)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	ts.Defer(func() {
		s.Stop()
		ts.Check(<-done)
	})
}

func serve(ts *testscript.TestScript, _ bool, args []string) {
	f, err := tell(filepath.Join("testdata", "case", args[0]+".json"))
	ts.Check(err)
	f.asked = filepath.Join(ts.Getenv("WORK"), "asked.txt")
	if len(args) > 2 {
		ts.Check(f.play(ts.ReadFile(args[2])))
	}
	if len(args) > 1 && args[1] != "-" {
		var rest script
		lines := bufio.NewScanner(strings.NewReader(ts.ReadFile(args[1])))
		for lines.Scan() {
			m := &coordinatorv1.WatchResponse{}
			ts.Check(protojson.Unmarshal(lines.Bytes(), m))
			rest.messages = append(rest.messages, m)
		}
		f.next = []script{rest}
	}
	serveFake(ts, newServer(f))
}

func hang(ts *testscript.TestScript, _ bool, _ []string) {
	l := listen(ts)
	ts.Defer(func() { ts.Check(l.Close()) })
}

func refuse(ts *testscript.TestScript, _ bool, args []string) {
	var code codes.Code
	ts.Check(code.UnmarshalJSON([]byte(strconv.Quote(args[0]))))
	if code == codes.OK {
		ts.Check(errors.New("OK is no refusal"))
	}
	serveFake(ts, newRefusing(status.Error(code, args[1])))
}
