package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
	"github.com/bramblemesh/bramble/internal/screen"
)

func (c *cli) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Follow what happens, a line for each event, until Ctrl-C",
		Args:  commandline.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := c.connect()
			if err != nil {
				return err
			}
			defer to.conn.Close()
			w := &watcher{cli: c}
			return c.watching(to, false, w.take, w.say).run(cmd.Context())
		},
	}
}

// watching reads the whole case, or only its events, until Ctrl-C.
func (c *cli) watching(to *connection, eventsOnly bool, take func(*coordinatorv1.WatchResponse) error, say func(string) error) *reader[coordinatorv1.WatchResponse] {
	return &reader[coordinatorv1.WatchResponse]{
		cli: c, to: to, say: say, silence: silenceLimit,
		open: func(ctx context.Context) (grpc.ServerStreamingClient[coordinatorv1.WatchResponse], error) {
			return to.Watch(ctx, &coordinatorv1.WatchRequest{EventsOnly: eventsOnly})
		},
		take: func(m *coordinatorv1.WatchResponse) (bool, error) { return false, take(m) },
	}
}

// watcher prints what happens.
type watcher struct {
	*cli
	log screen.Log
}

// take prints one message.
func (w *watcher) take(m *coordinatorv1.WatchResponse) error {
	if w.output != formatTable {
		var text bytes.Buffer
		if err := w.encode(&text, m, ""); err != nil {
			return err
		}
		return w.write(text.String())
	}
	s := w.screen()
	var text strings.Builder
	for _, notice := range w.log.Take(m, s.Now) {
		text.WriteString(s.Notice(notice, w.log.SubjectWidth()))
	}
	return w.write(text.String())
}

// say prints a line about the watch itself: among the others for a person, beside the data for a program.
func (w *watcher) say(what string) error {
	s := w.screen()
	if w.output != formatTable {
		return w.aside(what)
	}
	return w.write(s.Notice(screen.Notice{At: s.Now, Subject: "watch", What: what}, w.log.SubjectWidth()))
}

// aside is a line for a person beside the data for a program.
func (c *cli) aside(what string) error {
	_, err := io.WriteString(c.stderr, "bramblectl: "+what+"\n")
	return err
}
