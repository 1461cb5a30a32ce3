package floods

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-mqtt/holdfast/bench"
	"github.com/holdfast-mqtt/holdfast/bench/child"
)

// Options say what to measure. Start from Defaults.
type Options struct {
	// Holdfast is the program: a path, or a name in PATH. HoldfastArgs are further arguments of its serve command.
	Holdfast     string
	HoldfastArgs []string
	// Only names kinds of floods; all if it is empty.
	Only []string
	// Rounds is how often each kind is measured, with a fresh broker each time.
	Rounds int
	// Attempts is the number of connections of the flood Connect; others have their share of it.
	Attempts int
	// Duration is how long each flood goes on, and each measurement takes.
	Duration time.Duration
	// Pairs is the number of publishers, and of subscribers, that are connected.
	Pairs int
}

// Defaults returns the options of a full measurement, without Holdfast.
func Defaults() Options {
	return Options{Rounds: 3, Attempts: 50_000, Duration: 5 * time.Second, Pairs: 50}
}

// Validate returns every fault at once, or nil.
func (o *Options) Validate() error {
	var errs []error
	for _, name := range o.Only {
		if Kind(name).spec() == nil {
			errs = append(errs, fmt.Errorf("unknown kind of flood %q; there are %v", name, Kinds()))
		}
	}
	if o.Rounds < 1 || o.Pairs < 1 || o.Attempts < 1 || o.Attempts > 10_000_000 {
		errs = append(errs, errors.New("rounds and pairs must be at least 1, attempts 1 to 10,000,000"))
	}
	if o.Duration < 10*time.Millisecond || o.Duration > longest {
		errs = append(errs, fmt.Errorf("duration must be 10ms to %v, not %v", longest, o.Duration))
	}
	return errors.Join(errs...)
}

// Progress tells what is being done.
type Progress struct {
	Round, Rounds int
	Kind          Kind
	bench.Progress
}

// threads is how many processors the runtime thinks it has while this package measures: whoever makes a flood
// shall take turns with the pairs by the system's scheduler, as if it were another process.
const threads = 3

// settle is how long after a flood's beginning or end nothing is measured.
const settle = 100 * time.Millisecond

// slice is how long a flood goes to the broker, and then the same to the dummy, in turn: what else
// happens on the machine shall befall both.
const slice = time.Second

// descriptors is how many files the largest flood, its dummy and the pairs may have open.
const descriptors = 12_000

// Run measures and blocks until it has done so, ctx ends or something fails. progress may be nil; it is called from
// the calling goroutine. It changes GOMAXPROCS meanwhile.
func Run(ctx context.Context, o Options, progress func(Progress)) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := bench.RaiseFileLimit(descriptors); err != nil {
		return nil, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(threads, runtime.GOMAXPROCS(0))))
	r := &Report{Machine: bench.ThisMachine(), Rounds: o.Rounds, Seconds: o.Duration.Seconds(), Pairs: o.Pairs}
	for _, k := range Kinds() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, string(k)) {
			continue
		}
		var rounds []measured
		for i := range o.Rounds {
			m, err := round(ctx, &o, k, func(p bench.Progress) {
				if progress != nil {
					progress(Progress{i + 1, o.Rounds, k, p})
				}
			})
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", k, i+1, err)
			}
			rounds = append(rounds, m)
		}
		r.Rows = append(r.Rows, row(k, rounds))
	}
	return r, nil
}

// measured is one round of one kind.
type measured struct {
	without, after bench.Phase
	with, dummy    flooded
	messages       *bench.Messages
}

// flooded is what was measured during floods, the means of all slices.
type flooded struct {
	PerSecond, Broker float64
	Silent            int // pairs that got nothing in a slice, at most
	Attempts, Failed  int64
}

// round measures one kind once, against a broker of its own.
func round(ctx context.Context, o *Options, k Kind, progress func(bench.Progress)) (m measured, err error) {
	b, err := startBroker(ctx, o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.process.Stop()) }()
	cert, err := tls.LoadX509KeyPair(filepath.Join(b.process.Dir, child.CertFile), filepath.Join(b.process.Dir, child.KeyFile))
	if err != nil {
		return m, err
	}
	sink, err := startSink(k.spec().dummy, cert)
	if err != nil {
		return m, err
	}
	defer sink.close()
	e, err := b.establish(ctx, o, progress)
	if err != nil {
		return m, err
	}
	err = m.measure(ctx, o, k, e, b.addr(k.Scheme()), sink.addr())
	var ended error
	m.messages, ended = e.Close()
	return m, errors.Join(err, ended)
}

func (m *measured) measure(ctx context.Context, o *Options, k Kind, e *bench.Established, real, fake string) (err error) {
	if err := e.Pause("warm up", min(o.Duration, time.Second)); err != nil {
		return err
	}
	if m.without, err = e.Measure("without", o.Duration); err != nil {
		return err
	}
	n := max(int(o.Duration/slice), 1)
	part := *o
	part.Duration = o.Duration / time.Duration(n)
	attempts := max(int64(k.spec().share*float64(o.Attempts))/int64(n), 1)
	for i := range n {
		p, out, err := during(ctx, &part, k, e, "with", real, attempts)
		if err != nil {
			return err
		}
		m.with.add(p, out, n)
		if i == n-1 {
			if m.after, err = e.Measure("after", o.Duration); err != nil {
				return err
			}
		}
		if p, out, err = during(ctx, &part, k, e, "dummy", fake, max(out.Attempts, 1)); err != nil {
			return err
		}
		m.dummy.add(p, out, n)
	}
	return nil
}

// add adds one of n slices to a mean.
func (f *flooded) add(p bench.Phase, out Outcome, n int) {
	f.PerSecond += p.PerSecond / float64(n)
	f.Broker += p.Broker / float64(n)
	f.Silent = max(f.Silent, p.Silent)
	f.Attempts += out.Attempts
	f.Failed += out.Failed
}

// during measures while a flood goes on.
func during(ctx context.Context, o *Options, k Kind, e *bench.Established, stage, addr string, attempts int64) (bench.Phase, Outcome, error) {
	f, err := New(k, addr)
	if err != nil {
		return bench.Phase{}, Outcome{}, err
	}
	defer f.Close()
	ended := make(chan Outcome, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() { ended <- f.Run(ctx, attempts, o.Duration+settle) }()
	err = e.Pause(stage, min(settle, o.Duration))
	var p bench.Phase
	if err == nil {
		p, err = e.Measure(stage, o.Duration-min(settle, o.Duration/2))
	}
	if err != nil {
		cancel()
	}
	out := <-ended
	cancel()
	return p, out, err
}

// target is the broker that is measured.
type target struct {
	process *child.Process
	ports   map[string]int // by scheme
}

// schemes are those of its listeners.
var schemes = []string{"mqtt", "mqtts", "ws"}

func startBroker(ctx context.Context, o *Options) (*target, error) {
	t := &target{ports: make(map[string]int)}
	var ports []int
	for _, s := range schemes {
		port, err := child.FreePort(ctx)
		if err != nil {
			return nil, err
		}
		t.ports[s] = port
		ports = append(ports, port)
	}
	var err error
	t.process, err = child.Start(ctx, ports, func(dir string) ([]string, error) {
		if err := child.Certify(dir); err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
		args := []string{
			o.Holdfast, "serve", "--api", "off", "--data", "memory",
			"--tls-cert", filepath.Join(dir, child.CertFile), "--tls-key", filepath.Join(dir, child.KeyFile),
		}
		for _, s := range schemes {
			args = append(args, "--listen", t.url(s))
		}
		return append(args, o.HoldfastArgs...), nil
	})
	if err != nil {
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	return t, nil
}

func (t *target) addr(scheme string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.ports[scheme]))
}

func (t *target) url(scheme string) string {
	u := scheme + "://" + t.addr(scheme)
	if scheme == "ws" {
		u += "/mqtt"
	}
	return u
}

// establish connects the pairs: of five, three over TCP, one over TLS and one over WebSocket.
func (t *target) establish(ctx context.Context, o *Options, progress func(bench.Progress)) (*bench.Established, error) {
	b := bench.Defaults(bench.P2P)
	b.Pairs, b.PIDs = o.Pairs, []int{t.process.PID}
	b.CAFile = filepath.Join(t.process.Dir, child.CertFile)
	plain := t.url("mqtt")
	return bench.Establish(ctx, b, []string{plain, t.url("mqtts"), plain, t.url("ws"), plain}, progress)
}
