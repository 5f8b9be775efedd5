package keeper_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/internal/keeper"
)

// A service that switches a worker finds its rail as the last process left it, and leaves it to the next.
func Example() {
	ctx, logger := context.Background(), hclog.Default()
	kept, err := keeper.Open(keeper.Socket)
	if err != nil {
		logger.Warn("an earlier run may have left more", "error", err) // what is free is taken over as it is
	}
	claim := gpio.Claim{Line: gpio.Line{Offset: 17}, Consumer: "bramble/worker-1", Name: keeper.Rail("worker-1")}
	rail, err := gpio.OpenOutput(claim, kept.All())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := kept.Keep(claim.Name, rail.FD()); err != nil { // before it is switched for the first time
		logger.Warn("the rail falls with this process", "error", err)
	}
	var beside sync.WaitGroup
	beside.Go(func() { kept.Run(ctx, logger) })
	defer beside.Wait()

	fmt.Println(rail.Set(true))
	// Not closed at the end: the kernel does that, and whoever keeps the line goes on holding it.
}
