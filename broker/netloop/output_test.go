package netloop

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// newSeed returns a random source whose seed is in the log of a failed test.
func newSeed(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomBytes returns n bytes.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// outputModel is an output beside what it should hold.
type outputModel struct {
	o    *output
	want []byte
}

// step does one random operation on m and compares.
func (m *outputModel) step(t *testing.T, r *rand.Rand) {
	t.Helper()
	switch op := r.IntN(10); {
	case op < 5: // Begin, End
		room := r.IntN(200)
		if r.IntN(20) == 0 {
			room = r.IntN(3 * chunkSize)
		}
		m.o.grow(room)
		if got := cap(m.o.tail) - len(m.o.tail); got < room {
			t.Fatalf("grow(%d) left room for %d bytes", room, got)
		}
		b := randomBytes(r, r.IntN(room+1))
		m.o.tail = append(m.o.tail, b...)
		m.o.n += len(b)
		m.want = append(m.want, b...)
	case op < 7: // EndRef
		ref := randomBytes(r, r.IntN(300))
		m.o.addRef(ref)
		m.want = append(m.want, ref...)
	case op < 9: // a writev that takes all or less
		pieces := m.o.pieces(make([][]byte, 0, maxSegments))
		if len(pieces) > maxSegments {
			t.Fatalf("%d pieces, want at most %d", len(pieces), maxSegments)
		}
		flat := bytes.Join(pieces, nil)
		if !bytes.HasPrefix(m.want, flat) {
			t.Fatalf("pieces differ from what has been put out")
		}
		if len(flat) == 0 && len(m.want) > 0 {
			t.Fatalf("no pieces although %d bytes wait", len(m.want))
		}
		n := len(flat)
		if r.IntN(2) == 0 {
			n = r.IntN(n + 1)
		}
		m.o.wrote(n)
		m.want = m.want[n:]
	default:
		if r.IntN(50) == 0 {
			m.o.reset()
			m.o, m.want = outputPool.Get().(*output), nil
		}
	}
	if m.o.n != len(m.want) {
		t.Fatalf("n = %d, want %d", m.o.n, len(m.want))
	}
}

// Several outputs share the pools: a chunk that goes back too early or twice
// shows as wrong bytes in another one.
func TestOutputAgainstModel(t *testing.T) {
	r := newSeed(t)
	models := make([]outputModel, 5)
	for i := range models {
		models[i].o = outputPool.Get().(*output)
	}
	for range 20_000 {
		models[r.IntN(len(models))].step(t, r)
	}
	for i := range models {
		for len(models[i].want) > 0 {
			flat := bytes.Join(models[i].o.pieces(nil), nil)
			if !bytes.HasPrefix(models[i].want, flat) || len(flat) == 0 {
				t.Fatalf("rest of output %d differs", i)
			}
			models[i].o.wrote(len(flat))
			models[i].want = models[i].want[len(flat):]
		}
		models[i].o.reset()
	}
}

// A short header before each lent payload must not cost a chunk of 4 KiB.
func TestOutputRefsShareChunk(t *testing.T) {
	o := outputPool.Get().(*output)
	defer o.reset()
	chunks := map[*chunk]bool{}
	ref := make([]byte, 30)
	const header, rounds = 10, 400
	for range rounds {
		o.grow(header)
		o.tail = append(o.tail, make([]byte, header)...)
		o.n += header
		o.addRef(ref)
		chunks[o.chunk] = true
	}
	if got, want := len(chunks), header*rounds/chunkSize+1; got > want {
		t.Errorf("%d headers of %d bytes took %d chunks, want at most %d", rounds, header, got, want)
	}
}

// The list of segments must not grow while the peer is always a little behind.
func TestOutputSegmentsStayBounded(t *testing.T) {
	o := outputPool.Get().(*output)
	defer o.reset()
	ref := make([]byte, 100)
	for range 10 {
		o.addRef(ref)
	}
	for range 10_000 {
		o.addRef(ref)
		o.wrote(len(ref))
	}
	if got, want := cap(o.segs), 64; got > want {
		t.Errorf("room for %d segments although 10 wait, want at most %d", got, want)
	}
}
