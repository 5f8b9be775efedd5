// Package wire is what a machine and its host say to each other: requests and
// answers as JSON, one after the other on any stream of bytes that belongs to them
// alone. Requests are answered in any order; an answer carries the number of its
// request.
package wire

// What a request can ask for.
const (
	Hello  = "hello"  // is anybody there
	Run    = "run"    // run a shell command to its end
	Cancel = "cancel" // kill the command of the run request with this number
	Put    = "put"    // write a piece of a file
	Get    = "get"    // read a piece of a file
)

// Piece is the most bytes that one put or get moves.
const Piece = 1 << 18

// Request is a question from the host.
type Request struct {
	Number  uint64 `json:"number"` // not used twice, except by Cancel, which has no answer
	Do      string `json:"do"`
	Command string `json:"command,omitempty"` // Run: for /bin/sh -c
	Path    string `json:"path,omitempty"`    // Put and Get: absolute
	Mode    uint32 `json:"mode,omitempty"`    // Put: permission bits
	Offset  int64  `json:"offset,omitempty"`  // Put and Get: where the piece begins; Put at 0 makes the file anew
	Data    []byte `json:"data,omitempty"`    // Put: the piece
}

// Answer is the machine's answer.
type Answer struct {
	Number uint64 `json:"number"`
	Exit   int    `json:"exit,omitempty"`   // Run: the exit code; 128 and the signal for a killed command
	Stdout []byte `json:"stdout,omitempty"` // Run
	Stderr []byte `json:"stderr,omitempty"` // Run
	Data   []byte `json:"data,omitempty"`   // Get: the piece; shorter than Piece at the end of the file
	Error  string `json:"error,omitempty"`  // why it could not be done
}
