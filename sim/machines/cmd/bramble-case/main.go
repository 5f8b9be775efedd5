// Command bramble-case runs the reference case as five virtual machines, for a person to play with: see make case.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bramblemesh/bramble/sim/machines/pico5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bramble-case:", err)
		os.Exit(1)
	}
}

const help = `
NODE COMMAND...   runs a command on a node, as root:  master bramblectl nodes
wires             the level of every wire
boards            what every board does
mains on|off      the master's power
Ctrl-C            ends the case
`

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bramble-case-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begun := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%7.1f s  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	c, err := pico5.New(ctx, pico5.Config{Dir: dir, Log: say})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		defer cancel()
		err = errors.Join(err, c.Run(ctx))
	})
	running.Go(func() { tellEdges(ctx, c, say) })
	running.Go(func() {
		if c.Await(ctx, "master", pico5.Up) == nil {
			fmt.Print("the master is up; its coordinator switches the workers on when it is asked to\n", help)
		}
	})
	lines := make(chan string)
	// Reading standard input cannot be interrupted: this one is not waited for.
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case line := <-lines:
			obey(ctx, c, line)
		}
	}
	running.Wait()
	return err
}

// tellEdges says what the wires do.
func tellEdges(ctx context.Context, c *pico5.Case, say func(string, ...any)) {
	for from := 0; ; {
		edges, err := c.Wires.Wait(ctx, from)
		if err != nil {
			return
		}
		for _, e := range edges {
			say("%v", e)
		}
		from += len(edges)
	}
}

// obey does what a line says.
func obey(ctx context.Context, c *pico5.Case, line string) {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch {
	case word == "":
	case word == "wires":
		for _, wire := range c.Wires.Names() {
			fmt.Printf("%-8s high: %v\n", wire, c.Wires.High(wire))
		}
	case word == "boards":
		for _, board := range c.Boards() {
			fmt.Printf("%-9s %v\n", board, c.State(board))
		}
	case word == "mains" && (rest == "on" || rest == "off"):
		c.Mains(rest == "on")
	case slices.Contains(c.Boards(), word) && rest != "":
		command(ctx, c, word, rest)
	default:
		fmt.Print(help)
	}
}

// command runs a command on a node that is up.
func command(ctx context.Context, c *pico5.Case, node, command string) {
	if state := c.State(node); state != pico5.Up {
		fmt.Printf("%s is %v\n", node, state)
		return
	}
	m, err := c.Machine(ctx, node)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := m.Run(ctx, command)
	fmt.Print(result.Stdout, result.Stderr)
	if err != nil {
		fmt.Println(err)
	} else if result.Exit != 0 {
		fmt.Println("exit code", result.Exit)
	}
}
