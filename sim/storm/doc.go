// Package storm holds a coordinator's decisions against a world that does its worst, and looks from outside whether the
// promises hold.
//
// # Story
//
// A schedule is one run of a whole case in virtual time, drawn from a seed: two to six workers with lines by overlay or
// helper, or without line or rail; a supply that is too small; people who ask, retry, cancel and force, type poweroff and
// reboot at boards and pull cables; faults of lines, rails, boots, shutdowns and agents; a network that delays requests
// and loses answers; a disk that is full and a memory that is damaged; a master that reboots and mains that go away; and a
// coordinator that is killed between any two things that it does, and comes back seconds or minutes later with nothing but
// what it wrote.
//
// # What is held against it
//
// Nothing is taken from the coordinator's word that can be seen from outside:
//
//   - a file system is lost only by force: a person's, the mains', or a deadline that the owner set;
//   - a rail's pin moves only for a cause: an operation that covers the node and has not moved it that way yet, a board
//     that somebody shut down, or the return of the mains; never because a coordinator started, and never while it is
//     unacknowledged that the memory was damaged;
//   - what is switched on never draws more than the supply's limit, each board counted at its boot peak while it starts and
//     at its maximum after;
//   - a system shuts down or restarts at most once for one operation;
//   - every accepted operation is known after every crash, and ends; and one that ended done left the world as it says.
//
// Left out is what no coordinator can see: a helper's line that breaks only while its board shuts down, or lines that are
// swapped after their wiring was tested.
package storm
