package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bench/peers"
)

const benchPeersNotes = `Starts this binary and mosquitto in turn, each run with a fresh process on a free port of loopback, and
prints medians, ratios and what the project requires. Mosquitto runs with its defaults, without
persistence; the documentation of package bench/peers has the details.

Examples:
  holdfast bench peers
  holdfast bench peers --only p2p-qos1 --rounds 1 --duration 3s
  holdfast bench peers --only conn,sparse --format markdown
  holdfast bench peers --transports mqtts,ws,wss

Exit codes: 0 measured, 1 a run failed or, with --check, a requirement is not met, 2 wrong command line.
`

func runBenchPeers(ctx context.Context, args []string, stdio Stdio) int {
	const name = "bench peers"
	fs := newFlagSet(stdio, name, name+" [flags]", benchPeersNotes)
	o := peers.Defaults()
	fs.StringSliceVar(&o.Only, "only", nil, "only these `scenarios`: "+strings.Join(peers.Scenarios(), ", "))
	fs.StringSliceVar(&o.Transports, "transports", o.Transports, "over these `transports`: "+strings.Join(peers.Transports(), ", "))
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "how often to run each scenario with each broker")
	fs.DurationVar(&o.Duration, "duration", 0, "how long each run measures (default the mode's)")
	fs.IntVar(&o.Clients, "clients", o.Clients, "`number` of connections of conn")
	fs.IntVar(&o.Messages, "messages", o.Messages, "`number` of messages of fanin")
	fs.IntVar(&o.Loops, "loops", o.Loops, "event loops of the generator")
	fs.StringVar(&o.Holdfast, "holdfast", "", "the `program` to measure (default this one)")
	fs.StringArrayVar(&o.HoldfastArgs, "holdfast-arg", nil, "further `argument` of its serve command (repeatable)")
	fs.StringVar(&o.Mosquitto, "mosquitto", o.Mosquitto, "mosquitto's `program`")
	fs.StringArrayVar(&o.MosquittoLines, "mosquitto-line", nil, "further `line` of its configuration (repeatable)")
	check := fs.Bool("check", false, "exit with 1 unless all that must be reached is")
	format := fs.String("format", "text", "text, json or markdown")
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	if code, done := readyReport(stdio, name, *format, &o.Holdfast); done {
		return code
	}
	bar := newBenchBar(stdio.Err, "")
	r, err := peers.Run(ctx, o, func(p peers.Progress) {
		bar.mode = fmt.Sprintf("%s, round %d of %d, %s", p.Scenario, p.Round, p.Rounds, p.Broker)
		bar.update(p.Progress)
	})
	bar.clear()
	if err == nil {
		err = printReport(stdio, r, *format)
	}
	if err == nil && *check && !r.OK() {
		err = errors.New("not all requirements are met")
	}
	if err != nil {
		return failure(stdio, name, err)
	}
	return exitOK
}
