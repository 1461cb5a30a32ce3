package badger

import (
	"github.com/holdfast-mqtt/holdfast/broker"
)

// opKind says what an operation does.
type opKind uint8

const (
	opNone      opKind = iota // cancelled
	opAppend                  // mb, seq, flags, msg, body, x
	opReleased                // mb, seq
	opRemove                  // mb, seq, body
	opPut                     // key, value, until
	opDelete                  // key
	opReceipt                 // mb, seq: Packet Identifier, flags: part, value
	opNoReceipt               // mb, seq: Packet Identifier
	opDrop                    // key, mb: a Session's record and its mailbox
	opLog                     // key (the App), seq, msg, body
	opPurge                   // purge: a piece of a mailbox
	opRead                    // read
)

// op is a call that waits for the committer.
type op struct {
	kind  opKind
	flags byte  // of an entry; of a receipt its part
	cost  int32 // bytes it counts for while it waits
	mb    broker.Mailbox
	seq   uint64 // of an entry; of a receipt its Packet Identifier
	msg   *broker.Message
	body  *bodyState // held
	c     broker.Commit
	x     *opExtra
}

// opExtra is what the frequent operations do not have.
type opExtra struct {
	entry   *entryExtra
	key     []byte
	value   []byte
	until   uint64   // time to live, in seconds since 1970; 0 is for ever
	names   []string // App, and what it has under names: for the order of reads and writes
	what    byte     // kind of these names
	id      uint64   // number of the body that opRemove releases
	evicted []logItem
	read    func(*snapshot)
	purge   *purgePiece
}

// entryID names an entry.
type entryID struct {
	mb  broker.Mailbox
	seq uint64
}

// opCost is what an operation counts for beside its bytes: the queue's memory, and Badger's overhead for one entry.
const opCost = 64

// costOf is what n bytes of values count for.
func costOf(n int) int32 { return int32(min(n+opCost, 1<<30)) }

// subject names what an operation reads or changes, for the order of a read and the writes behind it.
type subject struct {
	what byte
	mb   broker.Mailbox
	app  string
	name string
}

// subjects calls f with each subject of o.
func (o *op) subjects(f func(subject)) {
	if o.mb != 0 {
		f(subject{what: kindMailbox, mb: o.mb})
	}
	if o.x == nil || len(o.x.names) == 0 {
		return
	}
	if len(o.x.names) == 1 {
		f(subject{what: o.x.what, app: o.x.names[0]})
	}
	for _, n := range o.x.names[1:] {
		f(subject{what: o.x.what, app: o.x.names[0], name: n})
	}
}

// barrier tells whether o must not see what comes behind it: a read, and the end of a mailbox, whose contents
// are read and deleted after the commit.
func (o *op) barrier() bool { return o.kind == opRead || o.kind == opDrop && o.mb != 0 }
