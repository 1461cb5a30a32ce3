package broker

// ring is a FIFO that holds no memory while it is empty.
type ring[T any] struct {
	buf  []T // len is a power of two, or 0
	head int
	n    int
}

func (r *ring[T]) len() int { return r.n }

// at returns the i-th element from the front.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		r.resize(max(4, 2*len(r.buf)))
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pop removes the front element, which must exist.
func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	switch {
	case r.n == 0 && len(r.buf) > 64:
		*r = ring[T]{}
	case r.n > 0 && len(r.buf) > 64 && r.n < len(r.buf)/8:
		r.resize(len(r.buf) / 4)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	buf := make([]T, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

// drop empties the ring and frees its memory.
func (r *ring[T]) drop() { *r = ring[T]{} }
