// Package randtest gives random tests their numbers, from a seed that can be given again.
package randtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Variable is the environment variable that replays a random test with the seed that it has printed.
const Variable = "HOLDFAST_TEST_SEED"

// New returns the random numbers of a test. The seed is logged, and taken from Variable if that is set.
func New(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if v := os.Getenv(Variable); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", Variable, err)
		}
		seed = n
	}
	t.Logf("%s=%d", Variable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}
