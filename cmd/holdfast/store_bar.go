package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// keysUnit is the unit of a bar that counts keys; "" is bytes.
const keysUnit = "keys"

// storeBar shows on a terminal how far long work is. On anything else it is silent.
type storeBar struct {
	bar *progressbar.ProgressBar // nil: silent
}

// newStoreBar returns a bar whose end nobody knows.
func newStoreBar(w io.Writer, what, unit string) *storeBar { return newSizedBar(w, what, unit, -1) }

// newSizedBar returns a bar that is full at total; -1 means that nobody knows.
func newSizedBar(w io.Writer, what, unit string, total int64) *storeBar {
	if !isTerminal(w) {
		return &storeBar{}
	}
	o := []progressbar.Option{
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionSetPredictTime(total > 0),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
	}
	if unit == "" {
		o = append(o, progressbar.OptionShowBytes(true))
	} else {
		o = append(o, progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	}
	return &storeBar{bar: progressbar.NewOptions64(total, o...)}
}

// keys shows that so many have been read.
func (b *storeBar) keys(n uint64) {
	if b.bar != nil {
		_ = b.bar.Set64(int64(n)) // a terminal that is gone does not matter
	}
}

// Write implements io.Writer: it adds the bytes.
func (b *storeBar) Write(p []byte) (int, error) {
	if b.bar != nil {
		_ = b.bar.Add(len(p))
	}
	return len(p), nil
}

// clear takes the bar away.
func (b *storeBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
