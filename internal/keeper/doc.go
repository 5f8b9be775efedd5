// Package keeper keeps descriptors of GPIO lines while the process that works with them is not there.
//
// A line's level is guaranteed only while somebody holds its request; without, a worker may lose its power. Two keep a
// copy: systemd's store, which outlives a crash, a restart and an upgrade of the coordinator but is emptied by
// `systemctl stop`, and bramble-rails, a process that does nothing else. Both end with the machine.
//
// [Server] is what bramble-rails runs, [Client] asks it, and a [Store] is both keepers in one, as the coordinator uses
// them:
//
//	kept, err := keeper.Open(keeper.Socket)   // what earlier processes left; an error says who could not be asked
//	rail := open one of kept.All(), or request the line
//	err = kept.Keep(keeper.Rail("worker-1"), rail.FD())
//	go kept.Run(ctx, logger)                  // keeps it kept
//
// Nothing in this package lets a line go but Drop, which somebody asked for. Descriptors are bare numbers.
//
// # Protocol
//
// On a unix stream socket, a connection carries one request and its answer, each a line of ASCII words:
//
//	put NAME + one descriptor    ok                            keeps a copy
//	get                          ok NAME... + descriptors      copies of all, in the order of their names
//	drop NAME                    ok                            lets all of that name go
//	anything that fails          error REASON
package keeper

import "strings"

// Socket is where bramble-rails listens.
const Socket = "/run/bramble/rails.sock"

// Most is how many descriptors a Server keeps: a rail and a done line for each pin of a header, and some.
const Most = 64

// Rail is the name under which the line that switches a node's feed is kept.
func Rail(node string) string { return railPrefix + node }

// Done is the name under which a node's shutdown-complete line is kept.
func Done(node string) string { return "done." + node }

const railPrefix = "rail."

// RailOf returns the node of a name that Rail made; ok is false for other names.
func RailOf(name string) (node string, ok bool) { return strings.CutPrefix(name, railPrefix) }
