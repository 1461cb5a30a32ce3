package peers

import (
	"context"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// Report is the outcome of a comparison. Its JSON keys are stable.
type Report struct {
	bench.Machine
	Mosquitto string `json:"mosquitto"`
	Rounds    int    `json:"rounds"`
	Rows      []Row  `json:"rows"`
}

// Row is one figure of one scenario.
type Row struct {
	Scenario string `json:"scenario"`
	Metric   string `json:"metric"`
	Unit     string `json:"unit,omitempty"`
	// Holdfast and Mosquitto are medians of the rounds, Ratio the median of
	// the rounds' ratios; nil where mosquitto's figure is 0.
	Holdfast  float64  `json:"holdfast"`
	Mosquitto float64  `json:"mosquitto"`
	Ratio     *float64 `json:"ratio,omitempty"`
	// Must is what is required, "" if nothing is, and OK whether it holds. Aim and
	// Aimed are the same for what is wished.
	Must  string `json:"must,omitempty"`
	OK    bool   `json:"ok"`
	Aim   string `json:"aim,omitempty"`
	Aimed bool   `json:"aimed"`
	// Rounds are the figures of every round.
	HoldfastRounds  []float64 `json:"holdfast_rounds"`
	MosquittoRounds []float64 `json:"mosquitto_rounds"`
}

// OK tells whether everything required holds.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.OK })
}

// rows reads the figures off the results of all rounds.
func rows(s *scenario, results [2][]*bench.Result) []Row {
	var out []Row
	for _, m := range s.metrics {
		row := Row{Scenario: s.name, Metric: m.name, Unit: m.unit, Must: m.must.String(), Aim: m.aim.String()}
		var ratios []float64
		for i, h := range results[0] {
			hf, mf := m.of(h), m.of(results[1][i])
			row.HoldfastRounds = append(row.HoldfastRounds, hf)
			row.MosquittoRounds = append(row.MosquittoRounds, mf)
			if mf > 0 {
				ratios = append(ratios, hf/mf)
			}
		}
		row.Holdfast, row.Mosquitto = median(row.HoldfastRounds), median(row.MosquittoRounds)
		ratio := math.NaN()
		if len(ratios) > 0 {
			ratio = median(ratios)
			row.Ratio = &ratio
		}
		row.OK = m.must.met(worst(m, row), ratio)
		row.Aimed = m.aim.met(worst(m, row), ratio)
		out = append(out, row)
	}
	return out
}

// worst is the figure that a bound is held against: the median, except for
// loss, which no round may have.
func worst(m metric, row Row) float64 {
	if m.must.kind == atMost && m.must.limit == 0 {
		return slices.Max(row.HoldfastRounds)
	}
	return row.Holdfast
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[n/2]
}

// newReport describes the machine.
func newReport(ctx context.Context, o *Options, mosquitto string) *Report {
	return &Report{
		Machine: bench.ThisMachine(), Mosquitto: mosquittoVersion(ctx, mosquitto), Rounds: o.Rounds,
	}
}

// mosquittoVersion reads it from the first line of the help, whose exit code
// is not 0.
func mosquittoVersion(ctx context.Context, path string) string {
	out, _ := exec.CommandContext(ctx, path, "-h").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	if v, ok := strings.CutPrefix(line, "mosquitto version "); ok {
		return v
	}
	return "unknown"
}

// number writes f with three significant digits or more and thousands separated.
func number(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "–"
	}
	if a := math.Abs(f); a < 100 && f != math.Trunc(f) {
		s := fmt.Sprintf("%.2f", f)
		if a >= 10 {
			s = fmt.Sprintf("%.1f", f)
		} else if a < 1 {
			s = fmt.Sprintf("%.3f", f)
		}
		return s
	}
	s := fmt.Sprintf("%.0f", math.Abs(f))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if f < 0 {
		s = "-" + s
	}
	return s
}
