package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// expiryPrecision is by how much a time may differ after it was stored.
const expiryPrecision = 50 * time.Millisecond

// entryDifference says how got differs from want; "" means not at all.
func entryDifference(got, want broker.Entry) string {
	type fields struct {
		Seq, Log                    uint64
		QoS                         broker.QoS
		Retain, Released, Addressed bool
		Group                       string
	}
	of := func(e broker.Entry) fields {
		return fields{e.Seq, e.Log, e.QoS, e.Retain, e.Released, e.Addressed, e.Group}
	}
	switch {
	case of(got) != of(want):
		return fmt.Sprintf("got %+v, want %+v", of(got), of(want))
	case !slices.Equal(got.SubscriptionIDs, want.SubscriptionIDs):
		return fmt.Sprintf("Subscription Identifiers: got %v, want %v", got.SubscriptionIDs, want.SubscriptionIDs)
	case want.Message.Body != nil && got.Message != nil && got.Message.Body == nil:
		return "got no Body, want one: the message is stored by reference"
	}
	return messageDifference(got.Message, want.Message)
}

// messageDifference says how got differs from want. Either may be nil. The Publisher is not compared:
// it is kept with retained messages only.
func messageDifference(got, want *broker.Message) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("got message: %t, want message: %t", got != nil, want != nil)
	case got.TopicName != want.TopicName, got.QoS != want.QoS, got.Retain != want.Retain:
		return fmt.Sprintf("message: got topic %q QoS %d retain %t, want topic %q QoS %d retain %t",
			got.TopicName, got.QoS, got.Retain, want.TopicName, want.QoS, want.Retain)
	case !bytes.Equal(got.Payload, want.Payload):
		return fmt.Sprintf("payload: got %.40q (%d bytes), want %.40q (%d bytes)", got.Payload, len(got.Payload), want.Payload, len(want.Payload))
	case !bytes.Equal(got.Properties, want.Properties):
		return fmt.Sprintf("properties: got %q, want %q", got.Properties, want.Properties)
	case got.Published != want.Published:
		return fmt.Sprintf("published: got %d, want %d", got.Published, want.Published)
	case got.Expires.IsZero() != want.Expires.IsZero(), got.Expires.Sub(want.Expires).Abs() > expiryPrecision:
		return fmt.Sprintf("expires: got %v, want %v", got.Expires, want.Expires)
	}
	return ""
}

// recordDifference compares what SaveSession stores, Next excepted.
func recordDifference(got, want *broker.SessionRecord) string {
	if got == nil || want == nil {
		if got == nil && want == nil {
			return ""
		}
		return fmt.Sprintf("got record: %t, want record: %t", got != nil, want != nil)
	}
	type fields struct {
		Mailbox                broker.Mailbox
		Expiry, KeepFor        uint32
		SleptAt, WillAt        int64
		Head, Sent, DropBefore uint64
		Mail                   bool
		Fruitless              uint8
	}
	of := func(r *broker.SessionRecord) fields {
		return fields{r.Mailbox, r.Expiry, r.KeepFor, r.SleptAt, r.WillAt, r.Head, r.Sent, r.DropBefore, r.Mail, r.Fruitless}
	}
	if of(got) != of(want) {
		return fmt.Sprintf("got %+v, want %+v", of(got), of(want))
	}
	if !slices.Equal(got.Subscriptions, want.Subscriptions) {
		return fmt.Sprintf("subscriptions: got %+v, want %+v", got.Subscriptions, want.Subscriptions)
	}
	return willDifference(got.Will, want.Will)
}

func willDifference(got, want *broker.Will) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("got Will: %t, want Will: %t", got != nil, want != nil)
	case got.Delay != want.Delay, got.Expiry != want.Expiry:
		return fmt.Sprintf("Will: got delay %v expiry %v, want delay %v expiry %v", got.Delay, got.Expiry, want.Delay, want.Expiry)
	}
	if d := messageDifference(got.Message, want.Message); d != "" {
		return "Will " + d
	}
	return ""
}

// found is what LoadSession tells of a mailbox.
type found struct {
	received     []broker.PacketID // in order
	partial      map[broker.PacketID]broker.PartialReceipt
	cursor       uint64
	count, bytes int
	last         uint64 // Seq of the last entry; 0 if there is none
}

func foundDifference(got *broker.SessionRecord, want found) string {
	if want.last != 0 && got.Next <= want.last {
		return fmt.Sprintf("got Next %d, want it larger than the last entry's %d", got.Next, want.last)
	}
	received := slices.Sorted(slices.Values(got.Received))
	if !slices.Equal(received, want.received) || got.Cursor != want.cursor || got.Count != want.count || got.Bytes != want.bytes {
		return fmt.Sprintf("mailbox: got received %v, cursor %d, %d entries of %d bytes, want %v, %d, %d of %d",
			received, got.Cursor, got.Count, got.Bytes, want.received, want.cursor, want.count, want.bytes)
	}
	return partialDifference(got.Partial, want.partial)
}

// partialDifference compares receipts that are partial. The order of mailboxes, and how often each is named, tells nothing.
func partialDifference(got, want map[broker.PacketID]broker.PartialReceipt) string {
	same := maps.EqualFunc(got, want, func(a, b broker.PartialReceipt) bool {
		return a.Print == b.Print && slices.Equal(givenOf(a), givenOf(b))
	})
	if same {
		return ""
	}
	return fmt.Sprintf("partial receipts: got %v, want %v", got, want)
}

// givenOf returns the mailboxes of a receipt in order.
func givenOf(p broker.PartialReceipt) []broker.Mailbox {
	return slices.Compact(slices.Sorted(slices.Values(p.Given)))
}

// checkPage compares a page with all that could have been on it. A Store may be a quarter off maxBytes.
func checkPage(t *testing.T, what string, got []broker.Entry, more bool, all []broker.Entry, limit, maxBytes int) {
	t.Helper()
	least, most, size := 0, 0, 0
	for _, e := range all[:min(limit, len(all))] {
		size += e.Message.Size()
		if least == 0 || size <= maxBytes/4*3 {
			least++
		}
		if most == 0 || size <= maxBytes/4*5 {
			most++
		}
	}
	if n := len(got); n < least || n > most {
		t.Fatalf("%s: got %d entries %v, want %d to %d of %v", what, n, seqsOf(got), least, most, seqsOf(all))
	}
	if want := len(got) < len(all); more != want {
		t.Errorf("%s: got more %t, want %t: it has %d of %d entries", what, more, want, len(got), len(all))
	}
	for i := range got {
		if d := entryDifference(got[i], all[i]); d != "" {
			t.Errorf("%s: entry %d of the page: %s", what, i, d)
		}
	}
}
