// Package badger is the broker.Store of a single node: it keeps Sessions, mailboxes, logs and retained messages
// in a Badger database, github.com/dgraph-io/badger/v4, in one directory.
//
// # How it works
//
// Calls become operations in one queue. One goroutine, the committer, takes what has waited for half of CommitDelay
// to all of it, writes it in one transaction, which Badger forces onto the disk, and has the Commits told by another goroutine while it
// goes on. A Remove whose Append is still in the queue takes both out of it: a message that its device acknowledges at once
// is never written.
//
// Reads stand in the same queue. They are carried out on a snapshot that is made right after the commit of what
// was before them, so that they see that, and nothing that came later. Calls within a bracket are written in one
// transaction, unless they are more than some 25,000, or part of an endless chain of brackets that overlap.
//
// A message that is owed to one Session stands in its mailbox. One that is owed to many is stored once, as a body; mailboxes
// and logs refer to it. How often is counted in memory. After a start the references to older bodies are counted in the
// background; until that is done none of these bodies is deleted. References and bodies have a time to live as well, so that
// nothing stays for ever that a crash has left without an owner.
//
// DeleteSession leaves a tombstone; the mailbox is deleted in pieces afterwards, and after a restart if need be. Calls for a
// mailbox that is being deleted have no effect, and reads of it wait.
//
// # Layout
//
// This is version 1. Numbers are unsigned varints of encoding/binary ("uvarint") unless a width is given; those in keys are big
// endian. A string is its length (uvarint) and its bytes. "until" is a time to live of Badger's, in seconds since 1970; other
// times are milliseconds since 1970, on a clock that never starts before the last time that was stored.
//
// Keys begin with a byte that says what they are:
//
//	v l                                version of the layout (uvarint)
//	v n                                numbers below this one may have been given to mailboxes, bodies and places (uvarint)
//	v t                                the last time, about (uvarint)
//	v e App                            the last place in the App's log (uvarint)
//	s App (string) Client Identifier   record of a Session; until 30 days after its end if that is known
//	S SHA-256 (32)                     the same, where both together have more than 8,192 bytes; the digest is of what
//	                                   would follow the s
//	m mailbox (8) 1                    cursor in the App's log (uvarint)
//	m mailbox (8) 2 Packet Identifier (2)   receipt of a QoS 2 publish; no value, or if it is partial
//	                                   the message's print (8) and the mailboxes that have it (uvarint each)
//	m mailbox (8) 3 Seq (8)            entry; until the mailbox's age, or the message's end if that is earlier and QoS is 1
//	m mailbox (8) 4 Packet Identifier (2) part (1)   another part of a receipt that is partial, from 1 on
//	                                   without a gap: the same print, and more mailboxes
//	d mailbox (8)                      tombstone; no value
//	y number (8)                       body, a message; until an hour after the last entry that it was written for
//	b App (string) place (8)           message of a log: reference; until as an entry
//	r App (string) Topic Name          retained message; until its end
//	R SHA-256 (32)                     the same, as with S; App (string) and Topic Name (string) come before the message
//
// A message:
//
//	flags (1)            QoS in bits 0-1, 2 Retain, 3 end, 4 Properties, 5 Publisher, 6 publication; 7 is 0
//	end (uvarint)        if bit 3 is set
//	publication (uvarint)   if bit 6 is set: when it was, in ms since 1970
//	Topic Name (string)
//	Publisher (string)   if bit 5 is set
//	Properties (string)  if bit 4 is set
//	Payload              the rest
//
// A reference:
//
//	number of the body (uvarint)
//	size of the message as broker.Message.Size counts it (uvarint)
//
// An entry:
//
//	flags (1)            QoS in bits 0-1, 2 Retain, 3 Released, 4 Addressed, 5 reference, 6 more flags; 7 is 0
//	flags (1)            if bit 6 is set: 0 place in the log, 1 Subscription Identifiers, 2 group; the others are 0
//	place (uvarint)      if there is one
//	Subscription Identifiers: how many (uvarint), and each (uvarint), if there are any
//	group (string)       if there is one
//	reference            if bit 5 is set, else the message
//
// A record of a Session:
//
//	version (1)          1
//	flags (1)            0 subscriptions, 1 Will, 2 App and Client Identifier (with an S key), 3 Mail; the others are 0
//	App (string), Client Identifier (string)   if bit 2 is set
//	Mailbox, Expiry, KeepFor, SleptAt, Next, Head, Sent, DropBefore, Fruitless, WillAt (uvarint each)
//	subscriptions: how many (uvarint), and each: options (1), Topic Filter (string), identifier (uvarint)
//	Will: delay in ns (uvarint), expiry in ns (uvarint), message
//
// # Backups
//
// A backup is "holdfast-backup\n", a version (1 byte, 1), frames, an end and a CRC-32C of all before it (4 bytes, big endian).
// A frame is a byte 1, a key (string), a value (string) and until (uvarint); the end is a byte 2 and the number of
// frames (uvarint). Keys come in order. Keys and values have at most 256 MiB.
package badger
