//go:build !linux

package bench

import "time"

// sleep pauses for d, as finely as the runtime can.
func sleep(d time.Duration) { time.Sleep(d) }
