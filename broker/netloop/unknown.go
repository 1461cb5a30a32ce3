package netloop

import (
	"encoding/hex"
	"maps"
	"sync"
)

// maxUnknown bounds the beginnings that are counted one by one.
const maxUnknown = 32

// unknownOther is what the others are counted as.
const unknownOther = "other"

// unknownCounts counts connections that speak what nobody knows, by how they
// begin. It is bounded: what comes late counts as other.
type unknownCounts struct {
	mu    sync.Mutex
	first map[string]uint64
}

// add counts a connection by the first two bytes that it has sent, or the one.
func (u *unknownCounts) add(data []byte) {
	key := hex.EncodeToString(data[:min(len(data), 2)])
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.first == nil {
		u.first = make(map[string]uint64)
	}
	if _, known := u.first[key]; !known && len(u.first) >= maxUnknown {
		key = unknownOther
	}
	u.first[key]++
}

func (u *unknownCounts) counts() map[string]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.first)
}
