package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Thresholds are the values from which the levels elevated, high and critical hold, ascending: seconds, or shares from
// 0 to 1. All are 0 for off.
type Thresholds [3]float64

// ParseDurations reads three durations, as in `250ms 1s 4s`, or `off`.
func ParseDurations(text string) (Thresholds, error) {
	return parseThresholds(text, "250ms 1s 4s", func(word string) (float64, bool) {
		d, err := time.ParseDuration(word)
		return d.Seconds(), err == nil && d <= time.Hour
	})
}

// ParsePercentages reads three percentages, as in `80% 90% 95%`, or `off`.
func ParsePercentages(text string) (Thresholds, error) {
	return parseThresholds(text, "80% 90% 95%", func(word string) (float64, bool) {
		number, found := strings.CutSuffix(word, "%")
		n, err := strconv.Atoi(number)
		return float64(n) / 100, found && err == nil && n <= 100
	})
}

func parseThresholds(text, example string, parse func(string) (float64, bool)) (Thresholds, error) {
	var out Thresholds
	if text == Off {
		return out, nil
	}
	words := strings.Fields(text)
	if len(words) != len(out) {
		return out, fmt.Errorf("%q: write three values, as in %q, or off", text, example)
	}
	last := 0.0
	for i, word := range words {
		v, ok := parse(word)
		if !ok || v <= last {
			return Thresholds{}, fmt.Errorf("%q: %q is wrong; write three values that ascend, as in %q, or off", text, word, example)
		}
		out[i], last = v, v
	}
	return out, nil
}

func (o *Overload) check(f *faults) {
	f.oneOf("overload.mode", o.Mode, Protect, Watch, Off)
	for _, s := range []struct {
		name, text string
		parse      func(string) (Thresholds, error)
	}{
		{"overload.loop_lag", o.LoopLag, ParseDurations},
		{"overload.memory", o.Memory, ParsePercentages},
		{"overload.commit_time", o.CommitTime, ParseDurations},
	} {
		if _, err := s.parse(s.text); err != nil {
			f.add(s.name, "%w", err)
		}
	}
	within(f, "overload.quiet", o.Quiet, time.Second, time.Hour)
	within(f, "overload.close_slowest", o.CloseSlowest, 0, 100_000)
}
