package badger

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/storage/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) broker.Store { return openForTest(t, Options{Dir: t.TempDir()}) })
}

func TestReopen(t *testing.T) {
	storetest.RunReopen(t, func(t *testing.T, dir string) broker.Store { return openForTest(t, Options{Dir: dir}) })
}

// killed is a Store whose process is killed instead of Close, when all it was asked for is safe.
type killed struct {
	*Store
	t      *testing.T
	images map[string]string // by directory, what was on disk at the last kill
}

// Close implements broker.Store.
func (k killed) Close() error {
	flush(k.t, k.Store)
	k.images[k.opts.Dir] = copyDir(k.t, k.opts.Dir)
	return k.Store.Close()
}

// TestReopenKilled is TestReopen with kills.
func TestReopenKilled(t *testing.T) {
	images := make(map[string]string)
	where := make(map[string]string) // the directory that stands for another
	storetest.RunReopen(t, func(t *testing.T, dir string) broker.Store {
		at := dir
		if w, ok := where[dir]; ok {
			at = images[w]
		}
		where[dir] = at
		return killed{openForTest(t, Options{Dir: at}), t, images}
	})
}
