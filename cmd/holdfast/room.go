package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/mqtt"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/limits"
	"github.com/prometheus/client_golang/prometheus"
)

// room is what serve runs: the broker with its protocol fronts on their listeners.
type room interface {
	// Shutdown stops accepting, says good-bye to the clients and waits for what is under way, until ctx
	// ends. The listeners are closed when it returns.
	Shutdown(ctx context.Context) error
	// Store returns what the API shows of the durable store; nil if there is none.
	Store() center.Store
	// Clients returns what the API kicks clients by.
	Clients() center.Clients
	// Reload puts limits and apps of c, which is valid, into force. With an error, of limits that need a restart, all is as before.
	Reload(c *config.Config) error
	// Load returns what the API shows of how much there is to do; nil if that is not measured.
	Load() center.Load
}

// mqttRoom is a broker with its MQTT front.
type mqttRoom struct {
	engine *netloop.Engine
	broker *broker.Broker
	mqtt   *mqtt.Server
	native *natives
	logins *login.Pool // of all fronts
	store  broker.Store
	guard  *guard
	rates  *limits.Throttle
	door   *doorman
	open   map[string]*netloop.Listener // by URL
	load   *protector                   // nil if nothing is measured
	disk   *disk                        // the same if it is on disk, else nil
	stop   context.CancelFunc           // of what runs beside the loops
	beside sync.WaitGroup

	inForce atomic.Pointer[protector] // load, for fronts, which ask from their loops, maybe before it is there
}

// startRoom wires the broker, its fronts and the event loops and serves the listeners, which it owns
// from now on. It does not block.
func startRoom(c *config.Config, listeners []opened, log *slog.Logger, metrics prometheus.Registerer) (room, error) {
	s := c.Broker
	reserveProcessors(s.Loops)
	engine, err := netloop.New(netloop.Config{Loops: s.Loops})
	if err != nil {
		return nil, err
	}
	settings, err := brokerConfig(c)
	rates, err2 := limits.NewThrottle(ratesConfig(c))
	bans, err3 := openBans(&c.Auth)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, errors.Join(err, engine.Shutdown(context.Background()))
	}
	settings.Throttle = rates
	if bans != nil {
		settings.Hooks = append(settings.Hooks, bans)
	}
	r := &mqttRoom{engine: engine, rates: rates}
	if r.store, r.disk, err = openStore(c, log); err != nil {
		return nil, errors.Join(err, engine.Shutdown(context.Background()))
	}
	settings.Store, settings.Logger = r.store, log
	r.broker = broker.New(settings)
	if err := restore(r.broker, c.Data, log); err != nil {
		r.broker.Close()
		return nil, errors.Join(err, engine.Shutdown(context.Background()), r.store.Close())
	}
	mc := mqtt.Config{
		Broker:            r.broker,
		Logger:            log,
		MaxPacketSize:     int(s.MaxPacketSize),
		ReceiveMaximum:    s.ReceiveMaximum,
		TopicAliasMaximum: orNone(s.TopicAliasMaximum),
		MaxKeepAlive:      s.MaxKeepAlive,
		SysInterval:       orNone(s.SysInterval),
		Version:           version,

		DisconnectForbidden: c.Auth.ForbiddenPublish == config.Disconnect,
	}
	if r.guard, err = guardRoom(c, log, &mc); err != nil {
		r.broker.Close()
		return nil, errors.Join(err, engine.Shutdown(context.Background()), r.store.Close())
	}
	r.guard.watchBans(bans)
	r.logins = login.NewPool(login.Config{Timeout: loginTimeout(&c.Auth)})
	mc.Logins = r.logins
	r.mqtt = mqtt.NewServer(mc, engine)
	r.native = newNatives(&mc, &c.Broker, engine, r.wantsClients)
	if err := r.listen(c, listeners, log); err != nil {
		return nil, errors.Join(err, r.abort())
	}
	if r.load, err = newProtector(&c.Overload, r, loadOf(r), log); err != nil {
		return nil, errors.Join(err, r.abort())
	}
	r.inForce.Store(r.load)
	node := center.Node{
		Broker: r.broker, MQTT: r.mqtt, Engine: engine, Logins: r.logins, Store: r.Store(), Load: r.Load(),
		Door: r.door.counts, Guard: r.guard.counts,
		Natives: r.native.counts, Listeners: r.connections,
	}
	if err := metrics.Register(center.NewCollector(node)); err != nil {
		return nil, errors.Join(err, r.abort())
	}
	ctx, stop := context.WithCancel(context.Background()) // ends in Shutdown
	r.stop = stop
	r.beside.Go(func() { keepHeapLean(ctx, engine) })
	r.beside.Go(func() { r.guard.run(ctx) })
	r.beside.Go(func() { runAll(ctx, r.native.beside) })
	r.beside.Go(func() { r.door.run(ctx, log) })
	r.beside.Go(func() { r.load.run(ctx) })
	return r, nil
}

// loginTimeout is how long may be asked about one client: longer than a web service may take, or it would be the client that
// has not waited, and not the service that has failed. Clients have 10 s until they must have been let in.
func loginTimeout(a *config.Auth) time.Duration {
	return max(5*time.Second, a.HTTPTimeout+time.Second)
}

// brokerConfig is what c says about the broker.
func brokerConfig(c *config.Config) (broker.Config, error) {
	s := &c.Broker
	subscriptions, err := s.AutoSubscriptions()
	return broker.Config{
		AppLimits:           appLimits(c),
		MaxInflight:         s.MaxInflight,
		MaxQueuedMessages:   s.MaxQueuedMessages,
		MaxQueuedBytes:      int(s.MaxQueuedBytes),
		MaxWaitingMessages:  s.MaxWaitingMessages,
		MaxWaitingBytes:     int(s.MaxWaitingBytes),
		MaxRetained:         s.MaxRetained,
		MaxSubscriptions:    s.MaxSubscriptions,
		MaxSessionExpiry:    orNone(s.SessionExpiryMax),
		SlowConsumerTimeout: s.SlowConsumerTimeout,
		DropOldest:          s.MailboxPolicy == config.DropOldest,
		FlashTimeout:        orNone(s.FlashTimeout),
		FlashSessions:       s.FlashSessions,
		FlashBytes:          int(s.FlashBytes),
		InboxExpiry:         s.InboxExpiry,
		AutoSubscribe:       subscriptions,
	}, err
}

// Reload implements room.
func (r *mqttRoom) Reload(c *config.Config) error {
	if err := r.door.set(&c.Limits); err != nil {
		return fmt.Errorf("limits of connections: %w", err)
	}
	if err := r.rates.Set(ratesConfig(c)); err != nil {
		return fmt.Errorf("limits: %w", err) // not of a configuration that is valid
	}
	r.broker.SetAppLimits(appLimits(c))
	return nil
}

// orNone turns the operator's 0, which means none, into the packages' -1: their 0 means the default.
func orNone[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// reserveProcessors gives the Go scheduler one processor more than there are event loops. A loop keeps
// its processor while it waits in epoll; with none to spare, the runtime's monitor would take it away
// from the loop each time. The operator's GOMAXPROCS is left alone.
func reserveProcessors(loops int) {
	if loops == 0 {
		loops = runtime.NumCPU()
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) <= loops {
		runtime.GOMAXPROCS(loops + 1)
	}
}

// connections is how many are open, by listener's URL.
func (r *mqttRoom) connections() map[string]int64 {
	n := make(map[string]int64, len(r.open))
	for url, ln := range r.open {
		n[url] = ln.Open()
	}
	return n
}

// Store implements room.
func (r *mqttRoom) Store() center.Store {
	if r.disk == nil {
		return nil
	}
	return r.disk
}

// Clients implements room.
func (r *mqttRoom) Clients() center.Clients { return r.broker }

// Load implements room.
func (r *mqttRoom) Load() center.Load {
	if r.load == nil {
		return nil
	}
	return r.load
}

// wantsClients tells whether new clients are welcome, as /readyz does. It does not block.
func (r *mqttRoom) wantsClients() bool {
	p := r.inForce.Load()
	return p == nil || !p.refuses()
}

// abort ends a room that has not begun to serve.
func (r *mqttRoom) abort() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Shutdown(ctx) // the context's own error
	return nil
}

// Shutdown implements room.
func (r *mqttRoom) Shutdown(ctx context.Context) error {
	r.mqtt.Stop()
	r.native.stop()
	r.logins.Stop()
	err := r.engine.Shutdown(ctx)
	r.native.close()
	r.broker.Close()
	if r.stop != nil {
		r.stop()
	}
	r.beside.Wait()
	r.guard.shut()
	return errors.Join(err, r.store.Close())
}
