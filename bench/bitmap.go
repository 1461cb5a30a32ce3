package bench

import (
	"math/bits"
	"slices"
)

// bitmap is a set of sequence numbers below a fixed size.
type bitmap struct{ words []uint64 }

func newBitmap(size int) *bitmap { return &bitmap{make([]uint64, (size+63)/64)} }

func (b *bitmap) set(i uint32)      { b.words[i/64] |= 1 << (i % 64) }
func (b *bitmap) has(i uint32) bool { return b.words[i/64]&(1<<(i%64)) != 0 }

func (b *bitmap) clone() *bitmap { return &bitmap{slices.Clone(b.words)} }

// without counts what is in b and not in other, which is of the same size.
func (b *bitmap) without(other *bitmap) int {
	n := 0
	for i, w := range b.words {
		n += bits.OnesCount64(w &^ other.words[i])
	}
	return n
}
