package broker

// waiter is a Commit for which somebody waits. Only what runs beside the loops may.
type waiter chan error

func newWaiter() waiter { return make(waiter, 1) }

// Committed implements Commit.
func (w waiter) Committed(err error) { w <- err }

func (w waiter) wait() error { return <-w }
