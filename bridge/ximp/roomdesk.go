package ximp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
)

// roomDesk asks and tells the hooks of rooms, beside the loops: with a bounded number of goroutines, and bounds for what waits. It
// knows which users the product thinks are in which rooms, and tells it when that is over.
type roomDesk struct {
	// static
	broker               *broker.Broker
	stats                *serverStats
	admit                RoomAdmitter     // nil has everybody in
	observe              RoomQuitObserver // may be nil
	timeout              time.Duration
	mostJoins, mostQuits int
	ctx                  context.Context // ends with the desk
	cancel               context.CancelFunc
	workers              sync.WaitGroup

	// guarded by mu, inside which no lock is taken
	mu                         sync.Mutex
	cond                       sync.Cond
	users                      map[roomUserKey]*roomUser
	joins, quits               []*roomUser // that want to be served; quits come when there are no joins
	waitingJoins, waitingQuits int
	closed                     bool
}

// roomUserKey names a user in a room.
type roomUserKey struct {
	room roomKey
	user string
}

// roomUser is what is known of that. It exists while there is something.
type roomUser struct {
	key      roomUserKey
	entry    *RoomEntry // what is to be told of the latest connection
	joined   int        // connections that are in
	deciding int        // joins of which it is not known yet what becomes of them
	known    bool       // the product thinks that the user is in, or may

	calls   []*roomCall // joins that wait
	quit    bool        // waits to be told
	serving bool        // a hook is being called
	inJoins bool        // among desk.joins
	inQuits bool
}

// roomCall is a join that is asked about, and then the task that brings the answer to the connection's loop.
type roomCall struct {
	c        *conn
	sn       uint64
	entry    *RoomEntry
	user     *roomUser
	until    time.Duration // when it is too late, on the loop's clock
	deadline time.Time     // the same
	dropped  atomic.Bool   // nobody wants the answer any more
	answer   RoomAnswer
	failed   bool
}

// Run implements netloop.Task.
func (call *roomCall) Run(*netloop.Loop) { call.c.onRoomAnswer(call) }

// newRoomDesk starts the workers. It returns nil if there are no hooks.
func newRoomDesk(srv *Server) *roomDesk {
	cfg := &srv.cfg
	if cfg.RoomAdmitter == nil && cfg.RoomQuitObserver == nil {
		return nil
	}
	d := &roomDesk{
		broker: srv.broker, stats: &srv.stats, admit: cfg.RoomAdmitter, observe: cfg.RoomQuitObserver, timeout: cfg.RoomTimeout,
		mostJoins: cfg.MaxRoomJoins, mostQuits: cfg.MaxRoomQuits, users: make(map[roomUserKey]*roomUser),
	}
	d.cond.L = &d.mu
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for range cfg.RoomWorkers {
		d.workers.Go(d.work)
	}
	return d
}

// ask has the hook asked. It returns false if too many joins wait.
func (d *roomDesk) ask(key roomUserKey, call *roomCall) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.waitingJoins >= d.mostJoins {
		return false
	}
	u := d.user(key)
	if u.quit { // it is back
		u.quit = false
		d.waitingQuits--
	}
	u.entry, call.user = call.entry.quit(), u
	u.deciding++
	u.calls = append(u.calls, call)
	d.waitingJoins++
	d.schedule(u)
	return true
}

// user returns what is known of a user, or begins that. mu is held.
func (d *roomDesk) user(key roomUserKey) *roomUser {
	u := d.users[key]
	if u == nil {
		u = &roomUser{key: key}
		d.users[key] = u
	}
	return u
}

// settle says what has become of a join that was asked about.
func (d *roomDesk) settle(call *roomCall, in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	call.user.deciding--
	if in {
		call.user.joined++
	}
	d.look(call.user)
}

// enter says that a connection is in a room about which nobody was asked.
func (d *roomDesk) enter(key roomUserKey, e *RoomEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.user(key)
	if u.quit {
		u.quit = false
		d.waitingQuits--
	}
	u.entry, u.known = e.quit(), true
	u.joined++
}

// leave says that a connection is not in a room any more.
func (d *roomDesk) leave(key roomUserKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.users[key]; u != nil {
		u.joined--
		d.look(u)
	}
}

// look finds out whether the user has quit, and forgets one of whom there is nothing to be known. mu is held.
func (d *roomDesk) look(u *roomUser) {
	if u.joined > 0 || u.deciding > 0 {
		return
	}
	switch {
	case !u.known || u.quit:
	case d.observe == nil:
		u.known = false
	case d.ctx.Err() != nil, d.waitingQuits >= d.mostQuits:
		u.known = false
		count(&d.stats.quitsLost)
	default:
		u.quit = true
		d.waitingQuits++
		d.schedule(u)
	}
	if !u.known && !u.serving && len(u.calls) == 0 && d.users[u.key] == u {
		delete(d.users, u.key)
	}
}

// schedule has u served. mu is held.
func (d *roomDesk) schedule(u *roomUser) {
	switch {
	case u.serving: // at its end
		return
	case len(u.calls) > 0 && !u.inJoins:
		u.inJoins = true
		d.joins = append(d.joins, u)
	case len(u.calls) == 0 && u.quit && !u.inQuits:
		u.inQuits = true
		d.quits = append(d.quits, u)
	default:
		return
	}
	d.cond.Signal()
}

func (d *roomDesk) work() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for len(d.joins)+len(d.quits) == 0 && !d.closed {
			d.cond.Wait()
		}
		var u *roomUser
		switch {
		case len(d.joins) > 0:
			u, d.joins = d.joins[0], d.joins[1:]
			u.inJoins = false
		case len(d.quits) > 0:
			u, d.quits = d.quits[0], d.quits[1:]
			u.inQuits = false
		default:
			return
		}
		if !u.serving {
			d.serve(u)
		}
	}
}

// serve makes the next call about u. mu is held, but not during the call.
func (d *roomDesk) serve(u *roomUser) {
	u.serving = true
	switch {
	case len(u.calls) > 0:
		call := u.calls[0]
		u.calls = u.calls[1:]
		d.waitingJoins--
		d.mu.Unlock()
		known := d.callJoin(call)
		d.mu.Lock()
		u.known = u.known || known
		d.mu.Unlock()
		if !call.c.nc.Loop().Post(call) {
			d.settle(call, false)
		}
		d.mu.Lock()
	case u.quit:
		u.quit, u.known = false, false
		d.waitingQuits--
		e := u.entry
		d.mu.Unlock()
		d.callQuit(e)
		d.mu.Lock()
	}
	u.serving = false
	d.schedule(u)
	d.look(u)
}

// callJoin asks the hook, unless it is too late or nobody wants to know. It returns true if the product may think that the user is in now.
func (d *roomDesk) callJoin(call *roomCall) (known bool) {
	call.failed, call.answer = true, RoomAnswer{Result: resultDenied, Reason: "try again later"}
	ctx, cancel := context.WithDeadline(d.ctx, call.deadline)
	defer cancel()
	if ctx.Err() != nil || call.dropped.Load() {
		return false
	}
	var a RoomAnswer
	var err error
	if !d.broker.Contain(func() { a, err = d.admit.OnRoomJoin(ctx, call.entry) }) {
		return false
	}
	if err != nil {
		return ctx.Err() != nil // it may have gone either way
	}
	call.failed, call.answer = false, a.checked()
	return a.Result == 0
}

// quit is e without what the client gives when it joins.
func (e *RoomEntry) quit() *RoomEntry {
	return &RoomEntry{App: e.App, AppID: e.AppID, Room: e.Room, User: e.User, ClientID: e.ClientID, Remote: e.Remote}
}

func (d *roomDesk) callQuit(e *RoomEntry) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	if ctx.Err() != nil {
		count(&d.stats.quitsLost)
		return
	}
	var err error
	if !d.broker.Contain(func() { err = d.observe.OnRoomQuit(ctx, e) }) || err != nil {
		count(&d.stats.quitsFailed)
		return
	}
	count(&d.stats.quitsTold)
}

// roomGrace is how long the hook has at the end to be told of those who have quit.
const roomGrace = time.Second

// close takes no more joins, has the hook told of the quits that wait, for a while, and ends the workers. Connections must have ended.
func (d *roomDesk) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.closed = true
	d.cond.Broadcast()
	d.mu.Unlock()
	defer d.cancel()
	defer time.AfterFunc(roomGrace, d.cancel).Stop()
	d.workers.Wait()
}
