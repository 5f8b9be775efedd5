// Package virtual is the shell of a coordinator in virtual time: the decisions of package core over a simulated case, on
// one thread, without agents' processes, sockets or goroutines, as fast as the machine allows and repeatable to the byte.
//
// # Story
//
// A Shell does for core.Core what package coordinator does for it on a real machine. It carries out its effects on the
// pins of a sim.Case, plays the agents of the boards that are up, and passes on what happens in the case at its exact
// instant. Shell.Step moves the time; Shell.Ask is a person at the API. What stands between coordinator and board on a
// desk is left out, or said by the Config: a Network delays or loses what is asked of agents, Rails and Store may fail.
//
// Shell.Crash ends the coordinator as kill -9 does: what it knew is gone, and case, rails, agents and store stay as they
// are. Shell.Restart begins the next one from what the store keeps. With Config.Dies it ends at any boundary of two
// things that it does.
//
// # What is promised
//
// Equal configurations and calls give equal runs. A Shell is not safe for concurrent use.
package virtual
