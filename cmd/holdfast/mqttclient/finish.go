package mqttclient

import "sync"

// finish is the end of a connection: the first cause stays.
type finish struct {
	once sync.Once
	done chan struct{}
	err  error // written before done is closed, read after
}

func newFinish() *finish { return &finish{done: make(chan struct{})} }

func (f *finish) with(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.done)
	})
}

// Done implements [Client].
func (f *finish) Done() <-chan struct{} { return f.done }

// Err implements [Client].
func (f *finish) Err() error {
	select {
	case <-f.done:
		return f.err
	default:
		return nil
	}
}
