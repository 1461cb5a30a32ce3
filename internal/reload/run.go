package reload

import (
	"context"
	"time"
)

// Run calls reload every so often until ctx ends. An error is handed to fail once, until there is another or none.
func Run(ctx context.Context, every time.Duration, reload func() error, fail func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		text := ""
		if err := reload(); err != nil {
			if text = err.Error(); text != last {
				fail(err)
			}
		}
		last = text
	}
}
