// Package storetest tests that a broker.Store keeps its contract. Every
// implementation calls [Run] from its own tests.
package storetest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Run runs the whole suite. open returns a new, empty Store; the suite closes
// it. It is called once per test, with the test it is for.
func Run(t *testing.T, open func(t *testing.T) broker.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, st broker.Store)
	}{
		{"record", testRecord},
		{"record missing", testRecordMissing},
		{"keys apart", testKeysApart},
		{"entry round trip", testEntryRoundTrip},
		{"order and pages", testPages},
		{"remove", testRemove},
		{"update", testUpdate},
		{"delete session", testDeleteSession},
		{"commit once", testCommitOnce},
		{"retained", testRetained},
		{"random operations", testRandom},
		{"concurrent use", testConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := open(t)
			c.test(t, st)
			if err := st.Close(); err != nil {
				t.Errorf("Close: got %v, want nil", err)
			}
		})
	}
	t.Run("close waits", func(t *testing.T) { testCloseWaits(t, open(t)) })
}

// seedVariable replays a random test with the seed that it has printed.
const seedVariable = "HOLDFAST_TEST_SEED"

// Rand returns the random numbers of a test. The seed is logged, and taken from
// the environment variable HOLDFAST_TEST_SEED if that is set.
func Rand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if v := os.Getenv(seedVariable); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed = n
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}
