package packet

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// The inboxes that GetInfoRequest and NewMessage name.
const (
	BoxPeer   = "peer"     // to one user: signals
	BoxIM     = "im"       // to one user: chat
	BoxPublic = "public"   // to every user of the app
	BoxRoom   = "chatroom" // GetMultiInfos and NewMessage only
	BoxGroup  = "group"
)

// GetInfoRequest asks for messages of an inbox.
type GetInfoRequest struct {
	InfoType []byte
	// ID is where to begin. Above 0 it acknowledges all below it.
	ID int64
	// Offset is how many messages, at most. Below 0 it goes backwards.
	Offset Opt[int32]
	// SParameter means nothing.
	SParameter []byte
}

func (r *GetInfoRequest) fields(c *codec) {
	c.text(1, &r.InfoType, required)
	number(c, 2, &r.ID)
	maybe(c, 3, &r.Offset)
	c.text(4, &r.SParameter, optional)
}

// GetInfoResponse has a page of messages.
type GetInfoResponse struct {
	InfoType []byte
	Infos    []Info
	// LastID is the newest id of the inbox, not of the page.
	LastID     Opt[int64]
	SParameter []byte
}

func (r *GetInfoResponse) fields(c *codec) {
	c.text(1, &r.InfoType, required)
	subs(c, 2, &r.Infos)
	maybe(c, 3, &r.LastID)
	c.text(4, &r.SParameter, optional)
}

// GetMultiInfosRequest asks for single messages of a room, which SParameter names.
type GetMultiInfosRequest struct {
	InfoType   []byte
	IDs        []int64
	SParameter []byte
}

func (r *GetMultiInfosRequest) fields(c *codec) {
	c.text(1, &r.InfoType, required)
	numbers(c, 2, &r.IDs)
	c.text(3, &r.SParameter, optional)
}

// GetMultiInfosResponse has one Info for each id asked for.
type GetMultiInfosResponse struct {
	InfoType   []byte
	Infos      []Info
	LastID     Opt[int64]
	SParameter []byte
}

func (r *GetMultiInfosResponse) fields(c *codec) {
	c.text(1, &r.InfoType, required)
	subs(c, 2, &r.Infos)
	maybe(c, 3, &r.LastID)
	c.text(4, &r.SParameter, optional)
}

// NewMessage is a doorbell: there is something in an inbox. For rooms it is the
// message itself.
type NewMessage struct {
	InfoType []byte
	// Content is a RoomPacket for chatroom, a GroupDown for group; else JSON that
	// says little.
	Content []byte
	ID      Opt[int64]
	// QueryAfter is how many seconds the client should wait before it asks.
	QueryAfter Opt[uint32]
}

func (n *NewMessage) fields(c *codec) {
	c.text(1, &n.InfoType, required)
	c.text(2, &n.Content, optional)
	maybe(c, 3, &n.ID)
	maybe(c, 4, &n.QueryAfter)
}

// Info is one stored message, as pairs. See Stored.
type Info struct {
	Pairs []Pair
}

func (i *Info) fields(c *codec) {
	if c.decode {
		subs(c, 1, &i.Pairs)
		return
	}
	for n := range i.Pairs {
		c.out = i.Pairs[n].append(c.out)
	}
}

// Pair is a key in ASCII and its value.
type Pair struct {
	Key, Value []byte
}

func (p *Pair) fields(c *codec) {
	c.text(1, &p.Key, required)
	c.text(2, &p.Value, optional)
}

// append appends p as field 1 of an Info. It writes what subs would, in a fraction of
// the time: most of what a server writes are pairs.
func (p *Pair) append(dst []byte) []byte {
	const field1, field2 = 1<<3 | 2, 2<<3 | 2 // both are bytes
	size := 1 + protowire.SizeBytes(len(p.Key))
	if p.Value != nil {
		size += 1 + protowire.SizeBytes(len(p.Value))
	}
	dst = protowire.AppendVarint(append(dst, field1), uint64(size))
	dst = protowire.AppendBytes(append(dst, field1), p.Key)
	if p.Value != nil {
		dst = protowire.AppendBytes(append(dst, field2), p.Value)
	}
	return dst
}

// The keys of pairs, with the width of the value in bytes. Numbers are big-endian.
const (
	PairID     = "info_id"     // 8: the message's id in its inbox
	PairType   = "msg_type"    // 4: the product's type
	PairBody   = "chat_body"   // any: the payload
	PairSent   = "time_sent"   // 8: milliseconds since 1970
	PairExpire = "expire_time" // 8: milliseconds since 1970
	PairBox    = "msg_box"     // 4: 0 inbox, 1 outbox
	PairSN     = "msg_sn"      // 8: the producer's number
	PairTo     = "msg_to"      // any: user id
	PairFrom   = "msg_from"    // any: user id
	PairValid  = "msg_valid"   // 4: 1 found, 0 gone; GetMultiInfos only
)

// The types of messages that mean something to clients.
const (
	TypePlain  uint32 = 100   // the default
	TypeRecall uint32 = 10000 // the body is the decimal id of a message withdrawn
)

// Stored is a message of an inbox, or of a room. What is not Set or nil is not in
// the Info.
type Stored struct {
	Valid    Opt[uint32]
	ID       Opt[int64]
	Type     Opt[uint32]
	Body     []byte
	Sent     Opt[uint64]
	Expire   Opt[uint64]
	Box      Opt[uint32]
	SN       Opt[uint64]
	To, From []byte
}

// The keys as bytes, so that writing one does not allocate.
var (
	keyID, keyType, keyBody = []byte(PairID), []byte(PairType), []byte(PairBody)
	keySent, keyExpire      = []byte(PairSent), []byte(PairExpire)
	keyBox, keySN           = []byte(PairBox), []byte(PairSN)
	keyTo, keyFrom          = []byte(PairTo), []byte(PairFrom)
	keyValid                = []byte(PairValid)
)

// Info returns s as pairs, in the order in which servers write them. It aliases the
// slices of s; the keys must not be changed.
func (s *Stored) Info() Info {
	// One array for all the numbers: three of 4 bytes, four of 8.
	w := pairWriter{room: make([]byte, 0, 3*4+4*8), pairs: make([]Pair, 0, 10)}
	w.number(keyValid, 4, uint64(s.Valid.Value), s.Valid.Set)
	w.number(keyID, 8, uint64(s.ID.Value), s.ID.Set)
	w.number(keyType, 4, uint64(s.Type.Value), s.Type.Set)
	w.text(keyBody, s.Body)
	w.number(keySent, 8, s.Sent.Value, s.Sent.Set)
	w.number(keyExpire, 8, s.Expire.Value, s.Expire.Set)
	w.number(keyBox, 4, uint64(s.Box.Value), s.Box.Set)
	w.number(keySN, 8, s.SN.Value, s.SN.Set)
	w.text(keyTo, s.To)
	w.text(keyFrom, s.From)
	return Info{Pairs: w.pairs}
}

type pairWriter struct {
	room  []byte
	pairs []Pair
}

func (w *pairWriter) number(key []byte, width int, v uint64, set bool) {
	if !set {
		return
	}
	start := len(w.room)
	if width == 4 {
		w.room = binary.BigEndian.AppendUint32(w.room, uint32(v))
	} else {
		w.room = binary.BigEndian.AppendUint64(w.room, v)
	}
	w.text(key, w.room[start:len(w.room):len(w.room)])
}

func (w *pairWriter) text(key []byte, value []byte) {
	if value != nil {
		w.pairs = append(w.pairs, Pair{Key: key, Value: value})
	}
}

// Stored reads the pairs, whatever their order; unknown keys are skipped. ErrWidth
// is returned for a number of the wrong width. The result aliases i.
func (i Info) Stored() (Stored, error) {
	var s Stored
	ok := true
	for _, p := range i.Pairs {
		switch string(p.Key) {
		case PairValid:
			s.Valid, ok = read32(p.Value)
		case PairID:
			var v Opt[uint64]
			v, ok = read64(p.Value)
			s.ID = Some(int64(v.Value))
		case PairType:
			s.Type, ok = read32(p.Value)
		case PairBody:
			s.Body = p.Value
		case PairSent:
			s.Sent, ok = read64(p.Value)
		case PairExpire:
			s.Expire, ok = read64(p.Value)
		case PairBox:
			s.Box, ok = read32(p.Value)
		case PairSN:
			s.SN, ok = read64(p.Value)
		case PairTo:
			s.To = p.Value
		case PairFrom:
			s.From = p.Value
		}
		if !ok {
			return Stored{}, ErrWidth
		}
	}
	return s, nil
}

func read32(b []byte) (Opt[uint32], bool) {
	if len(b) != 4 {
		return Opt[uint32]{}, false
	}
	return Some(binary.BigEndian.Uint32(b)), true
}

func read64(b []byte) (Opt[uint64], bool) {
	if len(b) != 8 {
		return Opt[uint64]{}, false
	}
	return Some(binary.BigEndian.Uint64(b)), true
}
