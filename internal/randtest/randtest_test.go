package randtest_test

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/internal/randtest"
)

func TestSeedIsReplayed(t *testing.T) {
	t.Setenv(randtest.Variable, "7")
	if a, b := randtest.New(t).Uint64(), randtest.New(t).Uint64(); a != b {
		t.Errorf("got %d and %d from one seed", a, b)
	}
	t.Setenv(randtest.Variable, "")
	if a, b := randtest.New(t).Uint64(), randtest.New(t).Uint64(); a == b {
		t.Errorf("got %d twice without a seed", a)
	}
}
