package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bench/floods"
)

const benchFloodsNotes = `Starts this binary on free ports of loopback, with pairs of clients over TCP, TLS and WebSocket that exchange
messages as fast as they can, and measures them without a flood, with one, after it, and while the same flood goes
to a dummy instead of the broker. The loss is that against the dummy: the flood itself takes the machine's
processors as well. Floods go to loopback only and end by themselves. The documentation of package bench/floods has
the details.

Examples:
  holdfast bench floods
  holdfast bench floods --only hello,connect --rounds 5
  holdfast bench floods --rounds 1 --duration 2s --attempts 20000 --format json

Exit codes: 0 measured, 1 a run failed or, with --check, a flood costs too much, 2 wrong command line.
`

func runBenchFloods(ctx context.Context, args []string, stdio Stdio) int {
	const name = "bench floods"
	fs := newFlagSet(stdio, name, name+" [flags]", benchFloodsNotes)
	o := floods.Defaults()
	var kinds []string
	for _, k := range floods.Kinds() {
		kinds = append(kinds, string(k))
	}
	fs.StringSliceVar(&o.Only, "only", nil, "only these `kinds`: "+strings.Join(kinds, ", "))
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "how often to measure each kind")
	fs.IntVar(&o.Attempts, "attempts", o.Attempts, "`number` of connections of connect; other kinds have a share of it")
	fs.DurationVar(&o.Duration, "duration", o.Duration, "how long each flood goes on, and each measurement takes")
	fs.IntVar(&o.Pairs, "pairs", o.Pairs, "`number` of publishers and of subscribers")
	fs.StringVar(&o.Holdfast, "holdfast", "", "the `program` to measure (default this one)")
	fs.StringArrayVar(&o.HoldfastArgs, "holdfast-arg", nil, "further `argument` of its serve command (repeatable)")
	check := fs.Bool("check", false, fmt.Sprintf("exit with 1 unless each flood costs less than %d %%", floods.MaxLoss))
	format := fs.String("format", "text", "text, json or markdown")
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	if err := o.Validate(); err != nil {
		return usageError(stdio, name, err)
	}
	if code, done := readyReport(stdio, name, *format, &o.Holdfast); done {
		return code
	}
	bar := newBenchBar(stdio.Err, "")
	r, err := floods.Run(ctx, o, func(p floods.Progress) {
		bar.mode = fmt.Sprintf("%s, round %d of %d", p.Kind, p.Round, p.Rounds)
		bar.update(p.Progress)
	})
	bar.clear()
	if err == nil {
		err = printReport(stdio, r, *format)
	}
	if err == nil && *check && !r.OK() {
		err = errors.New("a flood costs too much")
	}
	if err != nil {
		return failure(stdio, name, err)
	}
	return exitOK
}
