package virtual

import (
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/power"
	"github.com/bramblemesh/bramble/sim"
)

// FanName is what the only fan of a simulated case is called.
const FanName = "rear"

// SetPointCelsius is what the fan aims at unless the core's configuration says otherwise: the owner of the reference
// case saw every board under 45 C at half speed under normal load.
const SetPointCelsius = 45

// Config says what to run. Only Case is required.
type Config struct {
	// Case is the simulated case. Only the Shell may step it.
	Case *sim.Case
	// Core configures the coordinator. The zero value means CoreConfig of the case.
	Core core.Config
	// Epoch is what the case's time counts from on the clock of the core. Default: 1970.
	Epoch time.Time
	// Store outlasts the coordinator. nil means that nothing does.
	Store Store
	// KeepsEdges says that the kernel keeps a done line's newest 16 edges while there is no coordinator, as it does for
	// lines whose descriptor somebody holds; a new boot of the master loses them.
	KeepsEdges bool
	// Disk says how long the next write to the Store takes. nil means no time. A coordinator that dies in the first half of
	// it has written nothing.
	Disk func() time.Duration
	// Rails stand in for the case's own, by board.
	Rails map[string]Rail
	// Network says how a request to a node's agent travels. nil means at once.
	Network func(node string) Trip
	// Report takes everything that the coordinator tells its subscribers. nil means nobody.
	Report func(core.Report)
	// Dies is asked before each effect of the core is carried out, and before each event that one led to: true ends the
	// coordinator there. nil means never.
	Dies func() bool
	// Began is told when the system of a node has begun a shutdown or restart that an operation asked for. nil means
	// nobody.
	Began func(node, operation string)
	// Effect sees every effect before it is carried out. nil means nobody.
	Effect func(core.Effect)
}

// Store is the memory that outlasts the coordinator, as package coordinator has it.
type Store interface {
	Load() ([]core.Entry, error)
	Write(entries []core.Entry) error
	Damage() string
	Acknowledge() error
}

// Rail is the switched feed of one board, as package coordinator has it.
type Rail interface {
	Set(on bool) error
	On() (bool, error)
}

// Trip is how one request travels.
type Trip struct {
	// There and Back are how long request and answer take.
	There, Back time.Duration
	// Lost says that the answer does not arrive; the coordinator hears that the connection broke.
	Lost bool
}

// CoreConfig is the coordinator's configuration for a case: the first board its master, the others workers on their rails
// and lines, whose wiring is trusted, and one fan that cools them all.
func CoreConfig(c *sim.Case, address func(name string) string) core.Config {
	sc := c.Config()
	cfg := core.Config{Case: sc.Name, Version: "simulated", Seed: sc.Seed, Supply: power.Supply{
		LimitAmperes: sc.Supply.LimitAmps, FixedAmperes: sc.Supply.FixedMaxAmps,
	}}
	for i, board := range sc.Boards {
		peak, most := board.Kind.Amps()
		n := core.NodeConfig{
			Name: board.Name, Address: address(board.Name), Rail: board.Rail,
			BootPeakAmperes: peak, MaximumAmperes: most,
			Power: power.Config{Line: board.DoneLine, CutWhenHalted: true, TrustWiring: true, Master: i == 0},
		}
		if board.Rail {
			n.Power.Rail = power.RailLine
		}
		if i == 0 && board.Rail {
			n.Power.Master = false // a case without a master of its own
		}
		cfg.Nodes = append(cfg.Nodes, n)
	}
	if !sc.Fan.Absent {
		cfg.Fans = []core.FanConfig{{Name: FanName, SetPointCelsius: SetPointCelsius, Tach: !sc.Fan.NoTach}}
	}
	return cfg
}
