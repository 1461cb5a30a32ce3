package badger

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// timeEvery is how often the time is stored, in ms, while there is something to write.
const timeEvery = 10_000

// writer turns a batch into Badger's entries and commits them: all in one transaction, unless that is more
// than one may hold.
type writer struct {
	s   *Store
	b   *batch
	now int64 // badgerNow

	txn     *bdb.Txn
	from    int // the first operation in txn
	entries uint64
	bytes   uint64
	buf     []byte // values; Badger has copied them when the commit is done
	slab    []bdb.Entry
	bodies  []storedBody
	lease   uint64 // 0 if it is not in txn
	saved   int64  // 0 if the time is not in txn
}

// storedBody is a body that is safe when the transaction is.
type storedBody struct {
	st    *bodyState
	until uint64
}

// write does it all. Errors are noted in the batch.
func (w *writer) write() {
	if len(w.b.ops) == 0 && len(w.b.unneeded) == 0 {
		return
	}
	if w.s.space.room() == reserve {
		w.refuse(errReserveUsed)
		return
	}
	if broken := w.s.broken.Load(); broken != nil {
		w.refuse(*broken)
		return
	}
	w.now = w.s.clock.badgerNow()
	w.buf = w.s.buffer
	w.slab = make([]bdb.Entry, 0, len(w.b.ops)+16)
	w.begin()
	for i := range w.b.ops {
		if err := w.op(i, &w.b.ops[i]); err != nil {
			w.b.fail(i, i+1, err)
		}
	}
	for _, id := range w.b.unneeded {
		if !w.s.bodies.unneeded(id) {
			continue
		}
		if err := w.delete(len(w.b.ops), bodyKey(id)); err != nil {
			w.s.failed("delete body", err)
		}
	}
	w.commit(len(w.b.ops))
	if cap(w.buf) <= maxBuffer {
		w.s.buffer = w.buf[:0]
	}
}

// maxBuffer is how much memory the committer keeps for its next batch.
const maxBuffer = 4 << 20

// refuse fails the whole batch.
func (w *writer) refuse(err error) {
	w.b.fail(0, len(w.b.ops), err)
	for i := range w.b.ops {
		if o := &w.b.ops[i]; o.body != nil {
			w.s.drop(o.body.id)
		}
	}
	w.s.q.forsake(w.b.unneeded...)
}

func (w *writer) begin() {
	w.txn = w.s.db.NewTransaction(true)
	w.entries, w.bytes, w.lease, w.saved, w.bodies = 0, 0, 0, 0, w.bodies[:0]
	w.meta()
}

// op adds what operation i writes.
func (w *writer) op(i int, o *op) error {
	if o.mb != 0 && o.kind != opPurge && w.s.purging[o.mb] != nil {
		if o.body != nil {
			w.s.drop(o.body.id)
		}
		return nil // too late: the mailbox is going
	}
	switch o.kind {
	case opAppend:
		return w.append(i, o)
	case opRemove:
		return w.remove(i, o)
	case opReleased:
		return w.released(i, o)
	case opPut:
		return w.put(i, o.x.key, o.x.value, o.x.until)
	case opDelete:
		return w.delete(i, o.x.key)
	case opReceipt:
		return w.receipt(i, o)
	case opNoReceipt:
		return w.noReceipt(i, o)
	case opDrop:
		if o.mb != 0 {
			w.s.parted.Delete(o.mb)
			if err := w.put(i, tombstoneKey(o.mb), nil, 0); err != nil {
				return err
			}
		}
		if len(o.x.key) > 0 {
			return w.delete(i, o.x.key)
		}
	case opLog:
		return w.log(i, o)
	case opPurge:
		return w.purge(i, o)
	}
	return nil
}

func (w *writer) append(i int, o *op) error {
	until := w.s.clock.until(w.now, o.msg)
	if o.flags&entryQoS == 2 { // its exchange may have begun when the message expires, and is to end
		until = w.s.clock.untilAge(w.now)
	}
	if o.body != nil {
		if err := w.body(i, o, until); err != nil {
			return err
		}
	}
	var x *entryExtra
	if o.x != nil {
		x = o.x.entry
	}
	at := len(w.buf)
	w.buf = appendEntryHead(w.buf, o.flags, x)
	if o.body != nil {
		w.buf = appendReference(w.buf, o.body.id, o.msg.Size())
	} else {
		w.buf = w.s.clock.appendMessage(w.buf, o.msg)
	}
	value := w.buf[at:len(w.buf):len(w.buf)]
	return w.put(i, entryKey(o.mb, o.seq), value, until)
}

// remove deletes an entry. The reference to a body counts only if the entry is there: its Append may have been refused.
func (w *writer) remove(i int, o *op) error {
	key := entryKey(o.mb, o.seq)
	if o.x == nil {
		return w.delete(i, key)
	}
	_, missing := w.txn.Get(key)
	if errors.Is(missing, bdb.ErrKeyNotFound) {
		return nil
	}
	if err := w.delete(i, key); err != nil || missing != nil {
		return err
	}
	return w.release(i, o.x.id)
}

// body writes the message of o under its number, unless it is safe for as long as o needs it.
func (w *writer) body(i int, o *op, until uint64) error {
	if !w.s.bodies.missing(o.body, until) {
		return nil
	}
	for _, b := range w.bodies {
		if b.st == o.body && b.until >= until {
			return nil
		}
	}
	until += uint64(bodySlack / time.Second)
	at := len(w.buf)
	w.buf = w.s.clock.appendMessage(w.buf, o.msg)
	if err := w.put(i, bodyKey(o.body.id), w.buf[at:len(w.buf):len(w.buf)], until); err != nil {
		return err
	}
	w.bodies = append(w.bodies, storedBody{o.body, until})
	return nil
}

// release counts one reference fewer, and deletes the body with the last one.
func (w *writer) release(i int, id uint64) error {
	if id == 0 || !w.s.bodies.release(id) {
		return nil
	}
	return w.delete(i, bodyKey(id))
}

// released sets the flag in an entry that is stored, or is in the same transaction.
func (w *writer) released(i int, o *op) error {
	key := entryKey(o.mb, o.seq)
	item, err := w.txn.Get(key)
	if errors.Is(err, bdb.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read entry: %w", err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil || len(value) == 0 {
		return fmt.Errorf("read entry: %w", errors.Join(err, errCorrupt))
	}
	value[0] |= entryReleased
	return w.put(i, key, value, item.ExpiresAt())
}

func (w *writer) log(i int, o *op) error {
	app := o.x.names[0]
	until := w.s.clock.until(w.now, o.msg)
	if err := w.body(i, o, until); err != nil {
		return err
	}
	if err := w.put(i, logKey(app, o.seq), appendReference(nil, o.body.id, o.msg.Size()), until); err != nil {
		return err
	}
	if err := w.put(i, metaKey(metaLogEnd, app), appendNumber(nil, o.seq), 0); err != nil {
		return err
	}
	for _, old := range o.x.evicted {
		if err := w.delete(i, logKey(app, old.place)); err != nil {
			return err
		}
		if err := w.release(i, old.body); err != nil {
			return err
		}
	}
	return nil
}

// walOverhead is what Badger's log takes for an entry beside key and value: kinds, two lengths, the version
// and a checksum; the time to live comes on top. For the common lengths below 128.
const walOverhead = 2 + 1 + 1 + 8 + 4

func (w *writer) put(i int, key, value []byte, until uint64) error {
	w.bytes += uint64(walOverhead + len(key) + len(value) + uvarintLen(until))
	w.slab = append(w.slab, bdb.Entry{Key: key, Value: value, ExpiresAt: until})
	e := &w.slab[len(w.slab)-1]
	return w.add(i, func() error { return w.txn.SetEntry(e) })
}

func (w *writer) delete(i int, key []byte) error {
	w.bytes += uint64(walOverhead + len(key) + 1)
	return w.add(i, func() error { return w.txn.Delete(key) })
}

// add does a write of operation i, in a new transaction if it does not fit into this one any more.
func (w *writer) add(i int, write func() error) error {
	err := write()
	if errors.Is(err, bdb.ErrTxnTooBig) {
		w.commit(i)
		w.begin()
		w.from = i
		err = write()
	}
	w.entries++
	return err
}

// commit ends the transaction, with the operations before to.
func (w *writer) commit(to int) {
	defer w.txn.Discard()
	if w.entries == 0 {
		return
	}
	start := time.Now()
	err := w.s.opts.hooks.fault("commit")
	if err == nil {
		if err = w.txn.Commit(); err == nil {
			err = w.s.opts.hooks.fault("force")
		}
		w.s.breakOn(err)
	}
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", broker.ErrStoreFull, err)
		}
		err = fmt.Errorf("commit: %w", err)
		w.s.failed("commit", err)
		w.b.fail(w.from, min(to+1, len(w.b.ops)), err)
		return
	}
	c := &w.s.counters
	c.committed(time.Since(start))
	c.entries.Add(w.entries)
	c.walBytes.Add(w.bytes)
	for _, b := range w.bodies {
		w.s.bodies.stored(b.st, b.until)
	}
	if w.lease != 0 {
		w.s.lease = w.lease
	}
	if w.saved != 0 {
		w.s.timeSaved = w.saved
	}
}

// meta adds the lease, if numbers beyond it were given or soon will be, and now and then the time. Whatever the
// transaction holds got its numbers before.
func (w *writer) meta() {
	var err error
	if n := w.s.number.Load(); n+leaseSize/2 > w.s.lease {
		w.lease = n + leaseSize
		err = w.txn.Set(metaKey(metaLease, ""), appendNumber(nil, w.lease))
	}
	if now := w.s.clock.now(); now >= w.s.timeSaved+timeEvery {
		w.saved = now
		err = errors.Join(err, w.txn.Set(metaKey(metaTime, ""), appendNumber(nil, uint64(now))))
	}
	if err != nil { // the transaction is empty: there is room
		panic(err)
	}
}

// purge deletes a piece of a mailbox that has ended, but for what was removed since it was seen.
func (w *writer) purge(i int, o *op) error {
	p := o.x.purge
	for _, k := range p.keys {
		if _, err := w.txn.Get(k.key); errors.Is(err, bdb.ErrKeyNotFound) {
			continue
		}
		if err := w.delete(i, k.key); err != nil {
			return err
		}
		if err := w.release(i, k.body); err != nil {
			return err
		}
	}
	if p.last {
		return w.delete(i, tombstoneKey(o.mb))
	}
	return nil
}
