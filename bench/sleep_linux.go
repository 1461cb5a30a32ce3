package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep blocks its thread for d. time.Sleep is too coarse here: the scheduler
// waits for whole milliseconds, in which a paced run publishes several messages.
func sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a signal ends it early: then the next message is early
}
