package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// advance moves the clock of a synctest bubble and lets all come to rest.
func advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
