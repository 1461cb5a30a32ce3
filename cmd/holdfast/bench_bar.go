package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// benchBar shows the progress of a run on a terminal. On anything else it is silent.
type benchBar struct {
	w     io.Writer // nil: silent
	mode  string    // what is run
	text  string    // in front of the bar
	total int64
	bar   *progressbar.ProgressBar
}

func newBenchBar(w io.Writer, mode string) *benchBar {
	b := &benchBar{mode: mode}
	if isTerminal(w) {
		b.w = w
	}
	return b
}

// update shows p.
func (b *benchBar) update(p bench.Progress) {
	if b.w == nil || p.Total <= 0 {
		return
	}
	if text := b.mode + ": " + p.Stage; b.bar == nil || b.text != text || b.total != p.Total {
		b.clear()
		b.text, b.total = text, p.Total
		b.bar = progressbar.NewOptions64(p.Total,
			progressbar.OptionSetWriter(b.w), progressbar.OptionSetDescription(text),
			progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	}
	_ = b.bar.Set64(p.Done) // a terminal that is gone does not matter
}

// clear takes the bar away.
func (b *benchBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
