package badger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// The first byte of a key says what it is of; see the package comment.
const (
	kindMeta         = 'v'
	kindSession      = 's'
	kindLongSession  = 'S'
	kindMailbox      = 'm'
	kindTombstone    = 'd'
	kindBody         = 'y'
	kindLog          = 'b'
	kindRetained     = 'r'
	kindLongRetained = 'R'
)

// What follows the kind in the keys of kindMeta.
const (
	metaLayout = 'l'
	metaLease  = 'n'
	metaTime   = 't'
	metaLogEnd = 'e'
)

// What follows the number in the keys of a mailbox.
const (
	mailboxCursor  = 1
	mailboxReceipt = 2
	mailboxEntry   = 3
	mailboxPart    = 4
)

// maxName is how long App and name together may be to stand in a key. Badger's keys end at 65,000 bytes, and
// Client Identifiers and Topic Names may have 65,535 each.
const maxName = 8 << 10

// errNoKey means that a key is none of ours.
var errNoKey = errors.New("unknown key")

func metaKey(what byte, name string) []byte {
	return append([]byte{kindMeta, what}, name...)
}

// nameKey is the key of what an App has under a name. Where that is too long, the key holds a digest, of kind long.
func nameKey(kind, long byte, app, name string) []byte {
	b := make([]byte, 1, 4+len(app)+len(name))
	b[0] = kind
	b = append(appendBytes(b, app), name...)
	if len(app)+len(name) <= maxName {
		return b
	}
	sum := sha256.Sum256(b[1:])
	return append([]byte{long}, sum[:]...)
}

func sessionKey(k broker.SessionKey) []byte {
	return nameKey(kindSession, kindLongSession, k.App, k.ClientID)
}

func retainedKey(app, name string) []byte {
	return nameKey(kindRetained, kindLongRetained, app, name)
}

// isLong tells whether a name needs a digest in its key, and stands in the value.
func isLong(app, name string) bool { return len(app)+len(name) > maxName }

// splitName takes App and name out of a key that holds them.
func splitName(key []byte) (app, name string, err error) {
	d := decoder{b: key[1:]}
	app = d.string()
	if d.bad {
		return "", "", errNoKey
	}
	return app, string(d.b), nil
}

func mailboxPrefix(mb broker.Mailbox) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindMailbox}, uint64(mb))
}

const mailboxPrefixLen = 1 + 8

func cursorKey(mb broker.Mailbox) []byte { return append(mailboxPrefix(mb), mailboxCursor) }

func receiptKey(mb broker.Mailbox, id broker.PacketID) []byte {
	return binary.BigEndian.AppendUint16(append(mailboxPrefix(mb), mailboxReceipt), uint16(id))
}

// partKey is the key of a part of a receipt that is partial; part 0 has that of the receipt.
func partKey(mb broker.Mailbox, id broker.PacketID, part int) []byte {
	if part == 0 {
		return receiptKey(mb, id)
	}
	return append(binary.BigEndian.AppendUint16(append(mailboxPrefix(mb), mailboxPart), uint16(id)), byte(part))
}

const entryKeyLen = mailboxPrefixLen + 1 + 8

func entryKey(mb broker.Mailbox, seq uint64) []byte {
	b := make([]byte, 0, entryKeyLen)
	b = binary.BigEndian.AppendUint64(append(b, kindMailbox), uint64(mb))
	return binary.BigEndian.AppendUint64(append(b, mailboxEntry), seq)
}

// splitMailbox takes a key of a mailbox apart. rest is what follows its kind.
func splitMailbox(key []byte) (mb broker.Mailbox, kind byte, rest []byte, err error) {
	if len(key) <= mailboxPrefixLen {
		return 0, 0, nil, errNoKey
	}
	mb = broker.Mailbox(binary.BigEndian.Uint64(key[1:]))
	kind, rest = key[mailboxPrefixLen], key[mailboxPrefixLen+1:]
	want, ok := map[byte]int{mailboxCursor: 0, mailboxReceipt: 2, mailboxEntry: 8, mailboxPart: 3}[kind]
	if !ok || len(rest) != want {
		return 0, 0, nil, errNoKey
	}
	return mb, kind, rest, nil
}

func tombstoneKey(mb broker.Mailbox) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindTombstone}, uint64(mb))
}

func bodyKey(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{kindBody}, id) }

// numberOf takes the number out of a key that holds nothing else.
func numberOf(key []byte) (uint64, error) {
	if len(key) != 1+8 {
		return 0, errNoKey
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

func logPrefix(app string) []byte { return appendBytes([]byte{kindLog}, app) }

func logKey(app string, place uint64) []byte {
	return binary.BigEndian.AppendUint64(logPrefix(app), place)
}

func splitLog(key []byte) (app string, place uint64, err error) {
	d := decoder{b: key[1:]}
	app = d.string()
	if d.bad || len(d.b) != 8 {
		return "", 0, errNoKey
	}
	return app, binary.BigEndian.Uint64(d.b), nil
}
