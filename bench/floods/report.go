package floods

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// MaxLoss is what the project allows a flood to cost established clients, in percent.
const MaxLoss = 20

// Report is the outcome. Its JSON keys are stable.
type Report struct {
	bench.Machine
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"` // of each measurement
	Pairs   int     `json:"pairs"`
	Rows    []Row   `json:"rows"`
}

// Row is one kind of flood. Figures are medians of the rounds; rates are messages delivered a second.
type Row struct {
	Kind     Kind   `json:"kind"`
	Unit     string `json:"unit"`
	Attempts int64  `json:"attempts"` // with the broker
	Failed   int64  `json:"failed"`   // of these: refused, closed early or timed out

	Without float64 `json:"without"`
	Dummy   float64 `json:"dummy"`
	With    float64 `json:"with"`
	After   float64 `json:"after"`
	// Loss is 1 - With/Dummy in percent, the median of the rounds', the worse one of an even number, and the rounds' themselves.
	Loss       float64   `json:"loss_percent"`
	LossRounds []float64 `json:"loss_percent_rounds"`
	// Recovered is After/Without in percent.
	Recovered float64 `json:"recovered_percent"`
	// Broker is the cores that it took with the flood.
	Broker float64 `json:"broker_cores"`
	// Silent is the number of pairs, of all rounds, that got nothing while a flood went on, Lost that of
	// messages that were acknowledged and never came.
	Silent int    `json:"silent_pairs"`
	Lost   uint64 `json:"lost"`
}

// OK tells whether the loss is within what is allowed and nobody was forgotten.
func (r *Row) OK() bool { return r.Loss < MaxLoss && r.Silent == 0 && r.Lost == 0 }

// OK tells whether all floods are within what is allowed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.OK() })
}

func row(k Kind, rounds []measured) Row {
	r := Row{Kind: k, Unit: k.spec().unit}
	for _, m := range rounds {
		r.LossRounds = append(r.LossRounds, m.loss())
		r.Silent += m.with.Silent
		if m.messages != nil {
			r.Lost += m.messages.Lost
		}
	}
	of := func(f func(m measured) float64) float64 { return median(each(rounds, f)) }
	r.Attempts = median(each(rounds, func(m measured) int64 { return m.with.Attempts }))
	r.Failed = median(each(rounds, func(m measured) int64 { return m.with.Failed }))
	r.Without = of(func(m measured) float64 { return m.without.PerSecond })
	r.Dummy = of(func(m measured) float64 { return m.dummy.PerSecond })
	r.With = of(func(m measured) float64 { return m.with.PerSecond })
	r.After = of(func(m measured) float64 { return m.after.PerSecond })
	r.Broker = of(func(m measured) float64 { return m.with.Broker })
	r.Loss = upperMedian(r.LossRounds)
	r.Recovered = of(func(m measured) float64 { return percent(m.after.PerSecond / m.without.PerSecond) })
	return r
}

// loss is what the flood has cost in percent: all, if nothing was delivered beside the dummy to compare with.
func (m *measured) loss() float64 {
	if m.dummy.PerSecond <= 0 {
		return 100
	}
	return percent(1 - m.with.PerSecond/m.dummy.PerSecond)
}

// percent is 0 where nothing was measured to compare with.
func percent(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return 100 * f
}

func each[T any](rounds []measured, f func(m measured) T) []T {
	out := make([]T, len(rounds))
	for i, m := range rounds {
		out[i] = f(m)
	}
	return out
}

// median is the lower one of an even number.
func median[T cmp.Ordered](v []T) T {
	return slices.Sorted(slices.Values(v))[(len(v)-1)/2]
}

// upperMedian is the other one: of losses the worse.
func upperMedian[T cmp.Ordered](v []T) T {
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

var header = []string{
	"flood", "attempts", "failed", "without, /s", "dummy, /s", "with, /s", "after, /s", "loss, %", "rounds, %", "recovered, %", "broker, cores", "",
}

func (r *Row) cells() []string {
	var rounds []string
	for _, l := range r.LossRounds {
		rounds = append(rounds, fmt.Sprintf("%.1f", l))
	}
	verdict := "pass"
	switch {
	case r.Lost > 0:
		verdict = fmt.Sprintf("FAIL: %d messages lost", r.Lost)
	case r.Silent > 0:
		verdict = fmt.Sprintf("FAIL: %d pairs got nothing", r.Silent)
	case !r.OK():
		verdict = "FAIL"
	}
	return []string{
		string(r.Kind), fmt.Sprintf("%d %s", r.Attempts, r.Unit), fmt.Sprint(r.Failed), fmt.Sprintf("%.0f", r.Without), fmt.Sprintf("%.0f", r.Dummy),
		fmt.Sprintf("%.0f", r.With), fmt.Sprintf("%.0f", r.After), fmt.Sprintf("%.1f", r.Loss), strings.Join(rounds, " "),
		fmt.Sprintf("%.0f", r.Recovered), fmt.Sprintf("%.2f", r.Broker), verdict,
	}
}

func (r *Report) title() string {
	return fmt.Sprintf("%s, %d round(s) of %g s, %d pairs", r.Machine, r.Rounds, r.Seconds, r.Pairs)
}

const note = "Figures are medians of the rounds. Loss is 1 - with/dummy: what the broker does of the flood beyond taking and reading it."

// Table is the report for people.
func (r *Report) Table() *bench.Table {
	t := &bench.Table{Title: r.title(), Header: header, Note: note, Texts: []int{0, len(header) - 1}}
	for i := range r.Rows {
		t.Rows = append(t.Rows, r.Rows[i].cells())
	}
	return t
}
