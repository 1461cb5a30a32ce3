package peers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/holdfast-mqtt/holdfast/bench"
	"github.com/holdfast-mqtt/holdfast/bench/child"
)

// Options say what to compare. Start from Defaults.
type Options struct {
	// Holdfast and Mosquitto are the programs: a path, or a name in PATH.
	Holdfast, Mosquitto string
	// HoldfastArgs are further arguments of `holdfast serve`.
	HoldfastArgs []string
	// MosquittoLines are further lines of its configuration.
	MosquittoLines []string
	// Only names scenarios, in full or by their first part such as "p2p"; all if
	// it is empty.
	Only []string
	// Transports are those over which they are run, as schemes of URLs.
	Transports []string
	// Rounds is how often each scenario is run with each broker.
	Rounds int
	// Duration is how long each run measures, and conn watches the memory; 0 is
	// the mode's default.
	Duration time.Duration
	// Clients is the number of connections of conn, Messages that of fanin.
	Clients, Messages int
	// Loops is the number of the generator's event loops.
	Loops int
}

// Defaults returns the options of a full comparison, without Holdfast.
func Defaults() Options {
	return Options{Mosquitto: "mosquitto", Transports: []string{plain}, Rounds: 3, Clients: 15_000, Messages: 200_000, Loops: 1}
}

// Progress tells what is being run.
type Progress struct {
	Round, Rounds    int
	Scenario, Broker string
	bench.Progress
}

// Run compares and blocks until it has done so, ctx ends or a run fails. progress
// may be nil; it is called from the calling goroutine.
func Run(ctx context.Context, o Options, progress func(Progress)) (*Report, error) {
	chosen, err := choose(o.Only)
	if err == nil {
		chosen, err = over(o.Transports, chosen)
	}
	if err != nil {
		return nil, err
	}
	if o.Rounds < 1 || o.Loops < 1 || o.Clients < 1 || o.Duration < 0 {
		return nil, errors.New("rounds, loops and clients must be at least 1, duration not negative")
	}
	for _, s := range chosen {
		opts := s.options(&o)
		if err := opts.Validate(); err != nil {
			return nil, err
		}
	}
	h, err := exec.LookPath(o.Holdfast)
	if err != nil {
		return nil, fmt.Errorf("find holdfast: %w", err)
	}
	m, err := findMosquitto(o.Mosquitto)
	if err != nil {
		return nil, err
	}
	// The brokers inherit the limit.
	if err := bench.RaiseFileLimit(o.Clients + 200); err != nil {
		return nil, err
	}
	c := &comparison{opts: &o, progress: progress, brokers: []broker{holdfast(h, o.HoldfastArgs), mosquitto(m, o.MosquittoLines)}}
	r := newReport(ctx, &o, m)
	for i := range chosen {
		s := &chosen[i]
		results, err := c.scenario(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		r.Rows = append(r.Rows, rows(s, results)...)
	}
	return r, nil
}

// findMosquitto also looks where Debian installs it, which is not in everybody's PATH.
func findMosquitto(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || name != "mosquitto" {
		return path, err
	}
	if path, err := exec.LookPath("/usr/sbin/mosquitto"); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("find mosquitto (Debian: apt-get install mosquitto): %w", err)
}

// comparison is what the runs share.
type comparison struct {
	opts     *Options
	progress func(Progress)
	brokers  []broker // holdfast, mosquitto
}

// scenario returns the results of every round, by broker.
func (c *comparison) scenario(ctx context.Context, s *scenario) ([2][]*bench.Result, error) {
	var results [2][]*bench.Result
	for round := range c.opts.Rounds {
		order := []int{0, 1}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			r, err := c.run(ctx, s, c.brokers[i], round)
			if err != nil {
				return results, fmt.Errorf("round %d, %s: %w", round+1, c.brokers[i].name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	return results, nil
}

// run measures one broker once.
func (c *comparison) run(ctx context.Context, s *scenario, b broker, round int) (_ *bench.Result, err error) {
	p, url, err := b.start(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	debug.FreeOSMemory() // what an earlier run has left must not slow down this one
	o := s.options(c.opts)
	o.URL, o.PIDs = url, []int{p.PID}
	if overTLS(s.transport) {
		o.CAFile = filepath.Join(p.Dir, child.CertFile)
	}
	return bench.Run(ctx, o, func(g bench.Progress) {
		if c.progress != nil {
			c.progress(Progress{round + 1, c.opts.Rounds, s.name, b.name, g})
		}
	})
}
