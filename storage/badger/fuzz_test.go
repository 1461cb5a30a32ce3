package badger

import (
	"bufio"
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// fuzzClock is the same in each run.
func fuzzClock() *clock { return newClock(time.UnixMilli(1_800_000_000_000), 0, time.Hour) }

// fullMessage has everything that a message may have.
func fullMessage() *broker.Message {
	return &broker.Message{
		TopicName: "a/ü", Payload: []byte{0, 255}, QoS: 2, Retain: true, Properties: []byte{1, 2},
		Expires: time.UnixMilli(1_800_000_001_000), Publisher: "p", Published: 1_800_000_000_500,
	}
}

func FuzzMessage(f *testing.F) {
	c := fuzzClock()
	f.Add(c.appendMessage(nil, fullMessage()))
	f.Add(c.appendMessage(nil, &broker.Message{}))
	f.Add([]byte{messageProperties, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := c.message(b)
		size, sizeErr := messageSize(b)
		if (err == nil) != (sizeErr == nil) {
			t.Fatalf("message: got %v, its size %v", err, sizeErr)
		}
		if err != nil {
			return
		}
		if got := m.Size(); got != size {
			t.Errorf("size: got %d, want %d", size, got)
		}
		if n := len(m.TopicName) + len(m.Payload) + len(m.Properties) + len(m.Publisher); n > len(b) {
			t.Errorf("bytes of the message: got %d of %d", n, len(b))
		}
		again, err := c.message(c.appendMessage(nil, m))
		if err != nil || !equalMessages(again, m) {
			t.Errorf("encoded and decoded: got %+v, %v, want %+v", again, err, m)
		}
	})
}

// equalMessages compares messages. Expires is compared as an instant.
func equalMessages(a, b *broker.Message) bool {
	return a.TopicName == b.TopicName && bytes.Equal(a.Payload, b.Payload) && a.QoS == b.QoS && a.Retain == b.Retain &&
		bytes.Equal(a.Properties, b.Properties) && a.Expires.Equal(b.Expires) && a.Publisher == b.Publisher && a.Published == b.Published
}

func FuzzEntry(f *testing.F) {
	c := fuzzClock()
	full := &entryExtra{log: 7, ids: []uint32{1, 268_435_455}, group: "$share/g/f"}
	f.Add(c.appendMessage(appendEntryHead(nil, 0x1f, full), fullMessage()))
	f.Add(appendReference(appendEntryHead(nil, entryReference|1, nil), 1<<40, 1000))
	f.Add([]byte{entryExtended, extIDs, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		if len(e.x.ids)+len(e.x.group)+len(e.rest) > len(b) {
			t.Errorf("parts: got %d identifiers, %d and %d bytes of %d", len(e.x.ids), len(e.x.group), len(e.rest), len(b))
		}
		x := &e.x
		if x.log == 0 && len(x.ids) == 0 && x.group == "" {
			x = nil
		}
		out := appendEntryHead(nil, e.flags&^byte(entryExtended), x)
		if e.body != 0 {
			out = appendReference(out, e.body, e.size)
		} else {
			out = append(out, e.rest...)
		}
		again, err := decodeEntry(out)
		if again.flags |= e.flags & entryExtended; err != nil || !reflect.DeepEqual(again, e) && len(e.rest)+len(e.x.ids) > 0 {
			t.Errorf("encoded and decoded: got %+v, %v, want %+v", again, err, e)
		}
	})
}

func FuzzRecord(f *testing.F) {
	c := fuzzClock()
	key := broker.SessionKey{App: "a", ClientID: "c"}
	f.Add(c.appendRecord(nil, key, &broker.SessionRecord{
		Mailbox: 1 << 40, Expiry: broker.NeverExpires, SleptAt: 1_800_000_000_000, Next: 2, Head: 1, Sent: 1, DropBefore: 1, Fruitless: 3,
		WillAt: 1, Will: &broker.Will{Message: fullMessage(), Delay: time.Second, Expiry: time.Minute},
		Subscriptions: []broker.Subscribe{{TopicFilter: "a/#", ID: 7, Options: topic.NewOptions(2, true, true, 2)}, {}},
	}))
	f.Add(c.appendRecord(nil, key, &broker.SessionRecord{}))
	f.Add([]byte{recordVersion, recordSubscriptions, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, r, err := c.record(sessionKey(key), b)
		if err != nil {
			return
		}
		if k != key || len(r.Subscriptions)*3 > len(b) {
			t.Errorf("decoded: got key %v, %d subscriptions of %d bytes", k, len(r.Subscriptions), len(b))
		}
		_, again, err := c.record(sessionKey(key), c.appendRecord(nil, key, r))
		if err != nil {
			t.Fatalf("encoded and decoded: got %v", err)
		}
		if w := r.Will; w != nil {
			w.Delay, w.Expiry = max(w.Delay, 0), max(w.Expiry, 0)
			if !equalMessages(again.Will.Message, w.Message) {
				t.Errorf("Will: got %+v, want %+v", again.Will.Message, w.Message)
			}
			again.Will.Message = w.Message
		}
		if !reflect.DeepEqual(again, r) {
			t.Errorf("encoded and decoded: got %+v, want %+v", again, r)
		}
	})
}

// FuzzKeys takes keys and numbers apart.
func FuzzKeys(f *testing.F) {
	for _, k := range [][]byte{
		entryKey(1, 2), receiptKey(1, 2), partKey(1, 2, 3), cursorKey(1), bodyKey(1), logKey("a", 1), sessionKey(broker.SessionKey{App: "a"}), {kindLog, 0xff},
	} {
		f.Add(k, []byte{1})
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 {
			return
		}
		ch := checker{s: &Store{clock: fuzzClock()}, needed: map[uint64]bool{1: false}}
		_ = ch.value(key, value)
		if mb, kind, rest, err := splitMailbox(key); err == nil && kind == mailboxEntry {
			if got := append(append(mailboxPrefix(mb), kind), rest...); !bytes.Equal(got[1:], key[1:]) {
				t.Errorf("put together again: got %x, want %x", got, key)
			}
		}
	})
}

func FuzzBackup(f *testing.F) {
	var b bytes.Buffer
	w := newBackupWriter(&b)
	if err := errors.Join(w.add(frame{key: []byte("k"), value: []byte("v"), until: 7}), w.end()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-1])
	f.Add(append([]byte(backupMagic+"\x01\x01"), 0xff, 0xff, 0xff, 0x7f))
	f.Fuzz(func(t *testing.T, b []byte) {
		var frames []frame
		err := readBackup(bytes.NewReader(b), func(fr frame) error {
			if len(fr.key)+len(fr.value) > len(b) {
				t.Errorf("frame: got %d bytes of %d", len(fr.key)+len(fr.value), len(b))
			}
			frames = append(frames, fr)
			return nil
		})
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := newBackupWriter(&out)
		for _, fr := range frames {
			if err := w.add(fr); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := readBackup(&out, func(frame) error { n++; return nil }); err != nil || n != len(frames) {
			t.Errorf("written and read: got %d frames, %v, want %d", n, err, len(frames))
		}
	})
}

// FuzzLog reads Badger's log, as a crash may leave it.
func FuzzLog(f *testing.F) {
	f.Add([]byte{walTxn | walPointer, 0, 9, 12, 0})
	f.Add([]byte{0, 0, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for total := int64(0); ; {
			e, err := readLogEntry(r)
			if err != nil {
				return
			}
			if total += e.len; total > int64(len(b)) {
				t.Fatalf("entries: got %d bytes of %d", total, len(b))
			}
		}
	})
}
