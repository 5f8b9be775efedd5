package main

import (
	"bytes"
	"context"
	"time"

	"github.com/spf13/cobra"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/internal/commandline"
)

func (c *cli) eventsCommand() *cobra.Command {
	var e eventReader
	var follow bool
	cmd := &cobra.Command{
		Use: "events [NAME]", Short: "Show what happened, to one node or fan or to all; -f goes on with what happens",
		Args: commandline.Takes("[NAME]"), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			e.cli = c
			if len(args) > 0 {
				e.subject = args[0]
			}
			if !follow {
				events, err := e.list(cmd.Context(), e.limit)
				if err != nil {
					return err
				}
				return e.print(events)
			}
			to, err := c.connect()
			if err != nil {
				return err
			}
			defer to.conn.Close()
			e.ctx = cmd.Context
			return c.watching(to, true, e.take, c.aside).run(cmd.Context())
		},
	}
	cmd.Flags().Uint32VarP(&e.limit, "limit", "n", 50, "at most so many of the newest")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens, until Ctrl-C")
	return cmd
}

// eventReader prints the events of one subject, or of all.
type eventReader struct {
	*cli
	ctx     func() context.Context
	subject string
	limit   uint32
	width   int       // of the longest subject
	told    uint64    // the newest that was printed, of the coordinator's present run
	heard   time.Time // when the last message came; zero before the first
}

func (e *eventReader) list(ctx context.Context, limit uint32) (events []*coordinatorv1.Event, err error) {
	err = e.ask(ctx, func(ctx context.Context, to *connection) error {
		answer, err := to.ListEvents(ctx, &coordinatorv1.ListEventsRequest{Limit: limit, Subject: e.subject})
		events = answer.GetEvents()
		return err
	})
	return events, err
}

// The events that a coordinator remembers; as many may have been missed.
const remembered = 500

// take prints what a message brings. With the first of a stream comes what was remembered, or what was missed.
func (e *eventReader) take(m *coordinatorv1.WatchResponse) error {
	defer func() { e.heard = time.Now() }()
	if m.GetCase() == nil {
		var wanted []*coordinatorv1.Event
		for _, event := range m.GetEvents() {
			if (e.subject == "" || event.GetSubject() == e.subject) && event.GetNumber() > e.told {
				wanted = append(wanted, event)
			}
		}
		return e.more(wanted)
	}
	limit, missed := e.limit, !e.heard.IsZero()
	if missed {
		limit = remembered
	}
	events, err := e.list(e.ctx(), limit)
	if err != nil {
		return err
	}
	var wanted []*coordinatorv1.Event
	e.told = 0 // a coordinator that was restarted counts anew
	for _, event := range events {
		e.told = max(e.told, event.GetNumber())
		if at := time.Duration(event.GetAgeMilliseconds()) * time.Millisecond; !missed || at < time.Since(e.heard) {
			wanted = append(wanted, event)
		}
	}
	return e.more(wanted)
}

// more prints events, where there are any.
func (e *eventReader) more(events []*coordinatorv1.Event) error {
	if len(events) == 0 {
		return nil
	}
	return e.print(events)
}

// print prints events; for a program each on one line.
func (e *eventReader) print(events []*coordinatorv1.Event) error {
	if e.output == formatTable {
		text := e.screen().Events(events, &e.width)
		return e.write(text)
	}
	var all bytes.Buffer
	for _, event := range events {
		if err := e.encode(&all, event, ""); err != nil {
			return err
		}
	}
	return e.write(all.String())
}
