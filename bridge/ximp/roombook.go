package ximp

import (
	"bytes"
	"container/list"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// roomKey names a room of the node.
type roomKey struct {
	app   *broker.App
	topic string
}

// roomBook knows the rooms that connections of this Server are in, or have been in not long ago: how many are in, and the messages with
// a number that came lately, for those who have missed some. It is the broker's Tap for rooms, so that a message is kept
// once, whether connections had room for it or not.
//
// What is kept is bounded by room, in all, and in time. The oldest leave.
type roomBook struct {
	// static
	clock        broker.Clock
	stats        *serverStats
	most         int // messages of a room; below 1 none are kept
	mostRoom     int // their bytes
	mostBytes    int // of all rooms
	keep         time.Duration
	mostDeserted int

	known atomic.Int32 // rooms

	// guarded by mu, inside which no lock is taken
	mu       sync.RWMutex
	rooms    map[roomKey]*sharedRoom
	kept     list.List // of *keptMessage, as they came
	bytes    int       // of them
	deserted list.List // of *sharedRoom in which nobody is, as they were left
	timer    broker.Timer
	stopped  bool
}

// sharedRoom is a room that is known.
type sharedRoom struct {
	key    roomKey
	newest atomic.Uint32 // the largest number of a message that is believed; written under the book's mu

	// guarded by the book's mu
	holders             int // connections that are in, or listen
	members, registered int
	kept                list.List // of *keptMessage, as they came
	byID                map[uint32]*keptMessage
	bytes               int
	numbers             numbering
	left                time.Time     // when the last holder has gone
	place               *list.Element // in deserted; nil while there are holders
}

// keptMessage is a message that a room got.
type keptMessage struct {
	room          *sharedRoom
	id            uint32
	at, expires   time.Time       // it is worth nothing any more from expires on; zero is never
	msg           *broker.Message // until somebody wants it
	zip           []byte          // from then on
	size          int
	place, inRoom *list.Element
}

// keptOverhead is what a message that is kept takes beside its bytes, about.
const keptOverhead = 256

// mostDeserted bounds the rooms that are known though nobody is in them.
const mostDeserted = 10_000

func newRoomBook(srv *Server) *roomBook {
	cfg := &srv.cfg
	b := &roomBook{
		clock: srv.broker.Clock(), stats: &srv.stats, most: cfg.KeptMessages, mostRoom: cfg.KeptRoomBytes, mostBytes: cfg.KeptBytes,
		keep: cfg.KeptFor, mostDeserted: mostDeserted, rooms: make(map[roomKey]*sharedRoom),
	}
	srv.broker.Tap(roomPrefix, b)
	return b
}

// roomID is the number of a message in its room; 0 if it has none.
func roomID(m *broker.Message) uint32 {
	n, err := strconv.ParseUint(property(m, propRoomID), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// Passes implements broker.Tap.
func (b *roomBook) Passes(a *broker.App, m *broker.Message) {
	if b.known.Load() == 0 {
		return
	}
	b.mu.RLock()
	r := b.rooms[roomKey{a, m.TopicName}]
	b.mu.RUnlock()
	if r == nil {
		return
	}
	id := roomID(m)
	if id == 0 {
		return
	}
	k := &keptMessage{room: r, id: id, msg: m.Keep(), size: m.Size() + keptOverhead, at: b.clock.Now(), expires: m.Expires}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rooms[r.key] != r { // it has been forgotten meanwhile
		return
	}
	newest, ok := r.numbers.believe(id, r.newest.Load(), k.at, b.keep)
	if !ok {
		count(&b.stats.numberJumped)
		return
	}
	r.newest.Store(newest)
	b.sweep(k.at)
	if older := r.byID[id]; older != nil { // the product has published it again
		b.drop(older)
	}
	if b.most < 1 || k.size > min(b.mostRoom, b.mostBytes) || m.Size()+infoOverhead > packet.MaxPage {
		count(&b.stats.keptTooLarge)
		return
	}
	b.add(k)
	count(&b.stats.kept)
	for r.kept.Len() > b.most || r.bytes > b.mostRoom {
		b.drop(r.kept.Front().Value.(*keptMessage))
		count(&b.stats.keptEvicted)
	}
	for b.bytes > b.mostBytes {
		b.drop(b.kept.Front().Value.(*keptMessage))
		count(&b.stats.keptEvicted)
	}
}

// add keeps k. mu is held.
func (b *roomBook) add(k *keptMessage) {
	r := k.room
	if r.byID == nil {
		r.byID = make(map[uint32]*keptMessage)
	}
	r.byID[k.id] = k
	k.inRoom, k.place = r.kept.PushBack(k), b.kept.PushBack(k)
	r.bytes += k.size
	b.bytes += k.size
	b.wind()
}

// drop keeps k no more. mu is held.
func (b *roomBook) drop(k *keptMessage) {
	r := k.room
	delete(r.byID, k.id)
	r.kept.Remove(k.inRoom)
	b.kept.Remove(k.place)
	r.bytes -= k.size
	b.bytes -= k.size
}

// sweep drops what is too old. mu is held.
func (b *roomBook) sweep(now time.Time) {
	for e := b.kept.Front(); e != nil && now.Sub(e.Value.(*keptMessage).at) >= b.keep; e = b.kept.Front() {
		b.drop(e.Value.(*keptMessage))
	}
	for e := b.deserted.Front(); e != nil && (now.Sub(e.Value.(*sharedRoom).left) >= b.keep || b.deserted.Len() > b.mostDeserted); e = b.deserted.Front() {
		b.forget(e.Value.(*sharedRoom))
	}
}

// forget forgets a room in which nobody is. mu is held.
func (b *roomBook) forget(r *sharedRoom) {
	for e := r.kept.Front(); e != nil; e = r.kept.Front() {
		b.drop(e.Value.(*keptMessage))
	}
	if r.place != nil {
		b.deserted.Remove(r.place)
	}
	delete(b.rooms, r.key)
	b.known.Add(-1)
}

// wind has what is too old swept away though nothing happens. mu is held.
func (b *roomBook) wind() {
	if b.timer == nil && !b.stopped && b.kept.Len()+b.deserted.Len() > 0 {
		b.timer = b.clock.AfterFunc(b.keep, b.onTimer)
	}
}

func (b *roomBook) onTimer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = nil
	b.sweep(b.clock.Now())
	b.wind()
}

// stop stops the timer.
func (b *roomBook) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// hold says that a connection is in a room, or listens.
func (b *roomBook) hold(key roomKey) *sharedRoom {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[key]
	if r == nil {
		r = &sharedRoom{key: key}
		b.rooms[key] = r
		b.known.Add(1)
	}
	if r.place != nil {
		b.deserted.Remove(r.place)
		r.place = nil
	}
	r.holders++
	return r
}

// release says that it does so no more. A room whose messages have numbers stays known for a while.
func (b *roomBook) release(r *sharedRoom) {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.holders--; r.holders > 0 {
		return
	}
	if r.newest.Load() == 0 || b.most < 1 {
		b.forget(r)
		return
	}
	r.left = now
	r.place = b.deserted.PushBack(r)
	b.sweep(now)
	b.wind()
}

// enter counts members of a room.
func (b *roomBook) enter(r *sharedRoom, members, registered int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.members += members
	r.registered += registered
}

// count tells how many members a room has, and the number of its newest message.
func (b *roomBook) count(key roomKey) (members, registered int, newest uint32) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if r := b.rooms[key]; r != nil {
		return r.members, r.registered, r.newest.Load()
	}
	return 0, 0, 0
}

// size is what is kept, in bytes.
func (b *roomBook) size() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.bytes
}

// find returns a message of a room, as a gzip member made by zip, and when it came. zip is called with no lock held.
func (b *roomBook) find(r *sharedRoom, id int64, zip func(*keptMessage) []byte) (member []byte, at time.Time, ok bool) {
	if id <= 0 || id > 1<<32-1 {
		return nil, at, false
	}
	now := b.clock.Now()
	b.mu.RLock()
	k := r.byID[uint32(id)]
	if k == nil || now.Sub(k.at) >= b.keep || !k.expires.IsZero() && !now.Before(k.expires) {
		b.mu.RUnlock()
		return nil, at, false
	}
	view := *k
	b.mu.RUnlock()
	if view.zip != nil {
		return view.zip, view.at, true
	}
	member = bytes.Clone(zip(&view)) // which is in the memory that it was made in
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.byID[k.id] == k && k.zip == nil {
		size := cap(member) + keptOverhead
		r.bytes += size - k.size
		b.bytes += size - k.size
		k.msg, k.zip, k.size = nil, member, size
	}
	return member, view.at, true
}
