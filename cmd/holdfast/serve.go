package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Bounds of an orderly end, 5 s together: the clients' part, then the API's.
const (
	drainTimeout    = 4 * time.Second
	apiDrainTimeout = time.Second / 2
)

const serveNotes = `Examples:
  holdfast serve                                     MQTT on 127.0.0.1:1883, API on 127.0.0.1:8088
  holdfast serve --listen mqtt://0.0.0.0:1883 --allow-anonymous
  holdfast serve --listen unix:///run/holdfast.sock --api off
  holdfast serve --data /var/lib/holdfast --broker-auto-subscribe 'qos=1 devices/%c/in'
  holdfast serve --data memory                       nothing survives the process
  HOLDFAST_LOG_LEVEL=debug holdfast serve --config /etc/holdfast/holdfast.yaml

Each flag is also a key of the YAML file (--log-level is log_level) and an environment variable
(HOLDFAST_LOG_LEVEL). A flag wins over the environment, the environment over the file. The file has
more settings (of mailboxes, the disk, limits); docs/configuration.md explains them and 'holdfast config show' prints what is in effect.

Signals: SIGTERM or SIGINT ends in good order within 5 s, a second one at once. SIGHUP reads the configuration again, of
which limits and apps are put into force.
Exit codes: 0 ended by a signal, 1 failure, 2 wrong command line, environment or configuration file.
`

// startFunc is startRoom, or a test's.
type startFunc func(*config.Config, []opened, *slog.Logger, prometheus.Registerer) (room, error)

func runServe(ctx context.Context, args []string, stdio Stdio) int {
	return serve(ctx, args, stdio, startRoom)
}

func serve(ctx context.Context, args []string, stdio Stdio, start startFunc) int {
	fs := newFlagSet(stdio, "serve", "serve [flags]", serveNotes)
	config.AddFlags(fs)
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	c, err := config.Load(fs, os.Environ())
	if err != nil {
		return configError(stdio, fs.Name(), err)
	}
	log := newLogger(stdio.Err, c.LogLevel, c.LogFormat)
	hangup := make(chan os.Signal, 1) // one that waits is as good as several
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	l := &reloader{load: func() (*config.Config, error) { return config.Load(fs, os.Environ()) }, current: c, log: log}
	if err := serveRoom(ctx, l, hangup, start); err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

// serveRoom runs the broker and the API until ctx ends or one of them fails. The configuration is read again at each hangup.
func serveRoom(ctx context.Context, l *reloader, hangup <-chan os.Signal, start startFunc) error {
	c, log := l.current, l.log
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	wanted, err := c.Listeners()
	if err != nil {
		return err
	}
	// All addresses first: whoever starts us learns at once that one is taken.
	listeners, err := listenAll(ctx, wanted)
	if err != nil {
		return err
	}
	api, err := startAPI(ctx, c, log, metrics)
	if err != nil {
		closeAll(listeners)
		return err
	}
	r, err := start(c, listeners, log, metrics)
	if err != nil {
		closeAll(listeners)
		return errors.Join(err, api.shutdown())
	}
	for _, ln := range listeners {
		log.Info("listening", "url", ln.url())
	}
	api.setStore(r.Store())
	api.setLoad(r.Load())
	api.setClients(r.Clients())
	api.setState(center.Ready)
	notify("READY=1")
	log.Info("ready", "version", version, "pid", os.Getpid())

	for serving := true; serving; {
		select {
		case <-ctx.Done():
			serving = false
		case err = <-api.failed:
			serving = false
		case <-hangup:
			l.reload(r)
		}
	}
	log.Info("draining", "timeout", drainTimeout)
	api.setState(center.Draining)
	notify("STOPPING=1")
	// A context of its own: the one we were given has ended.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if drainErr := r.Shutdown(drain); drainErr != nil {
		log.Warn("drain cut short", "error", drainErr)
	}
	err = errors.Join(err, api.shutdown())
	log.Info("stopped")
	return err
}

// api is the running HTTP API, or its absence.
type api struct {
	server *center.Server // nil: off
	failed chan error     // one value when the API has ended; never when it is off
}

func startAPI(ctx context.Context, c *config.Config, log *slog.Logger, metrics prometheus.Gatherer) (*api, error) {
	if c.API == "off" {
		return &api{}, nil
	}
	ln, err := listen(ctx, "tcp", c.API)
	if err != nil {
		return nil, fmt.Errorf("operators' API (--api): %w", err)
	}
	a := &api{server: center.New(center.Config{Metrics: metrics, Log: log, Hosts: c.APIHosts}), failed: make(chan error, 1)}
	go func() { a.failed <- a.server.Serve(ln) }()
	log.Info("api listening", "url", "http://"+ln.Addr().String())
	return a, nil
}

func (a *api) setState(s center.State) {
	if a.server != nil {
		a.server.SetState(s)
	}
}

func (a *api) setStore(st center.Store) {
	if a.server != nil {
		a.server.SetStore(st)
	}
}

func (a *api) setLoad(l center.Load) {
	if a.server != nil {
		a.server.SetLoad(l)
	}
}

func (a *api) setClients(c center.Clients) {
	if a.server != nil {
		a.server.SetClients(c)
	}
}

// shutdown ends the API and waits for it. A caller cut short is not an error of ours.
func (a *api) shutdown() error {
	if a.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), apiDrainTimeout)
	defer cancel()
	_ = a.server.Shutdown(ctx)
	select {
	case err := <-a.failed:
		return err
	default: // its end has been seen already, as the cause of ours
		return nil
	}
}

func closeAll(listeners []opened) {
	for _, ln := range listeners {
		_ = ln.Close()
	}
}
