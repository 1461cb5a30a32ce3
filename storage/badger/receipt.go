package badger

import (
	"encoding/binary"
	"errors"
	"slices"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// maxParts is how many parts a receipt that is partial can have.
const maxParts = 256

// AddPartialReceipt implements broker.Store. Only part 0 is refused when there is no room: the others are small most often, and
// stored together with an entry that is refused.
func (s *Store) AddPartialReceipt(mb broker.Mailbox, id broker.PacketID, part int, p broker.PartialReceipt, c broker.Commit) {
	value := binary.BigEndian.AppendUint64(nil, p.Print)
	for _, g := range p.Given {
		value = binary.AppendUvarint(value, uint64(g))
	}
	o := op{kind: opReceipt, flags: byte(part), cost: costOf(len(value)), mb: mb, seq: uint64(id), c: c, x: &opExtra{value: value}}
	s.q.push(&o, part == 0)
}

// AddReceipt implements broker.Store.
func (s *Store) AddReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	s.q.push(&op{kind: opReceipt, cost: opCost, mb: mb, seq: uint64(id), c: c}, true)
}

// RemoveReceipt implements broker.Store.
func (s *Store) RemoveReceipt(mb broker.Mailbox, id broker.PacketID, c broker.Commit) {
	s.q.push(&op{kind: opNoReceipt, cost: opCost, mb: mb, seq: uint64(id), c: c}, false)
}

// receipt writes a receipt, or a part of one, which takes the place of those behind it. It is written first: if the
// transaction ends in between, what is left behind it tells nothing else.
func (w *writer) receipt(i int, o *op) error {
	id, part := broker.PacketID(o.seq), int(o.flags)
	var value []byte
	if o.x != nil {
		value = o.x.value
	}
	if part > 0 {
		w.s.parted.Store(o.mb, nil)
	}
	if err := w.put(i, partKey(o.mb, id, part), value, 0); err != nil {
		return err
	}
	return w.dropParts(i, o.mb, id, part+1)
}

// noReceipt deletes a receipt. Its parts go first: they are for one that is there.
func (w *writer) noReceipt(i int, o *op) error {
	id := broker.PacketID(o.seq)
	if err := w.dropParts(i, o.mb, id, 1); err != nil {
		return err
	}
	return w.delete(i, receiptKey(o.mb, id))
}

// dropParts deletes the parts of a receipt from one on, the last one first: so there is never one behind a gap. Hardly any mailbox has had
// parts since the Store was opened, or when its Session was loaded, which comes before all that is written to receipts; others
// are not looked into.
func (w *writer) dropParts(i int, mb broker.Mailbox, id broker.PacketID, from int) error {
	if _, may := w.s.parted.Load(mb); !may {
		return nil
	}
	end := from
	for ; end < maxParts; end++ {
		if _, err := w.txn.Get(partKey(mb, id, end)); errors.Is(err, bdb.ErrKeyNotFound) {
			break
		} else if err != nil {
			return err
		}
	}
	for end > from {
		end--
		if err := w.delete(i, partKey(mb, id, end)); err != nil {
			return err
		}
	}
	return nil
}

// addReceipt takes in a receipt. One that is partial has a value.
func addReceipt(r *broker.SessionRecord, id broker.PacketID, value []byte) error {
	if len(value) == 0 {
		r.Received = append(r.Received, id)
		return nil
	}
	return addPart(r, id, value)
}

// addPart takes in a part of a receipt, in order of the parts. What a receipt has left that is complete, or of another
// message, is nothing.
func addPart(r *broker.SessionRecord, id broker.PacketID, value []byte) error {
	if len(value) <= 8 {
		return errCorrupt
	}
	p, some := r.Partial[id]
	print := binary.BigEndian.Uint64(value)
	if some && p.Print != print || slices.Contains(r.Received, id) {
		return nil
	}
	p.Print = print
	for d := (decoder{b: value[8:]}); len(d.b) > 0; {
		p.Given = append(p.Given, broker.Mailbox(d.uvarint()))
		if err := d.err(); d.bad {
			return err
		}
	}
	if r.Partial == nil {
		r.Partial = make(map[broker.PacketID]broker.PartialReceipt)
	}
	r.Partial[id] = p
	return nil
}
