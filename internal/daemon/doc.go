// Package daemon is what bramble's long-running programs share: their log, their signals, their listeners and their
// words with systemd. It knows nothing of agents and coordinators, and links no command framework.
//
// A program runs as
//
//	err := daemon.Run(ctx, logger, func(ctx context.Context) error {
//		...
//		daemon.Ready(logger)
//		return server.Run(ctx)
//	})
//
// Nothing here starts a goroutine that outlives the call it was started by.
package daemon
