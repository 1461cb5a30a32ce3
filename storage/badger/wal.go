package badger

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"os"
)

// Bits of the first byte of an entry in Badger's logs.
const (
	walPointer = 0x02 // the value is 12 bytes that say where in the value log it is
	walTxn     = 0x40 // part of a transaction
	walEnd     = 0x80 // the end of one
)

// maxLogKey is how long a key in Badger's logs may be.
const maxLogKey = 1 << 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errLogEnd means that a log goes on with something that is not an entry.
var errLogEnd = errors.New("end of log")

// logEntry is one entry of Badger's logs:
//
//	bits (1) user's bits (1) key's length (uvarint) value's length (uvarint) time to live (uvarint)
//	key, the last 8 bytes of which are the transaction's number; value; CRC-32C of all before (4, big endian)
type logEntry struct {
	bits  byte
	value []byte // of a pointer
	len   int64
}

// readLogEntry reads an entry, and the value if that is a pointer. Nothing is allocated for lengths that the log only claims.
func readLogEntry(r *bufio.Reader) (logEntry, error) {
	h := &hashingReader{r: r, crc: crc32.New(castagnoli)}
	var e logEntry
	e.bits, _ = h.ReadByte()
	if _, err := h.ReadByte(); err != nil {
		return e, errLogEnd
	}
	var lengths [3]uint64
	for i := range lengths {
		n, err := binary.ReadUvarint(h)
		if err != nil {
			return e, errLogEnd
		}
		lengths[i] = n
	}
	keyLen, valueLen := lengths[0], lengths[1]
	if keyLen == 0 || keyLen > maxLogKey || valueLen > 1<<32 {
		return e, errLogEnd
	}
	if _, err := io.CopyN(io.Discard, h, int64(keyLen)); err != nil {
		return e, errLogEnd
	}
	if e.bits&walPointer != 0 && valueLen == 12 {
		e.value = make([]byte, 12)
		if _, err := io.ReadFull(h, e.value); err != nil {
			return e, errLogEnd
		}
	} else if _, err := io.CopyN(io.Discard, h, int64(valueLen)); err != nil {
		return e, errLogEnd
	}
	want := h.crc.Sum32()
	var sum [4]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil || binary.BigEndian.Uint32(sum[:]) != want {
		return e, errLogEnd
	}
	e.len = h.n + int64(len(sum))
	return e, nil
}

// hashingReader sums up and counts what is read.
type hashingReader struct {
	r   *bufio.Reader
	crc hash.Hash32
	n   int64
}

// Read implements io.Reader.
func (h *hashingReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.crc.Write(p[:n])
	h.n += int64(n)
	return n, err
}

// ReadByte implements io.ByteReader.
func (h *hashingReader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(h, b[:])
	return b[0], err
}

// lostValue returns where in a write-ahead log the first transaction begins that refers to a value which the newest file of the
// value log does not have; 0 if there is none.
func lostValue(path string, newest logFile) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(logHeaderLen, io.SeekStart); err != nil {
		return 0, err
	}
	values, err := os.Open(newest.path)
	if err != nil {
		return 0, err
	}
	defer values.Close()
	r, v := bufio.NewReaderSize(f, 64<<10), bufio.NewReaderSize(nil, 64<<10)
	start, at := int64(logHeaderLen), int64(logHeaderLen)
	for {
		e, err := readLogEntry(r)
		if err != nil {
			return 0, nil // what comes behind was never complete
		}
		if e.value != nil && !hasValue(values, v, newest, e.value) {
			return start, nil
		}
		at += e.len
		if e.bits&walTxn == 0 { // the end of a transaction, or an entry on its own
			start = at
		}
	}
}

// hasValue tells whether the value is there that a pointer refers to: number of the file, length and offset, each 4 bytes
// in the machine's order. Older files than the newest were forced onto the disk when they were full.
func hasValue(f *os.File, r *bufio.Reader, newest logFile, pointer []byte) bool {
	number, length := binary.NativeEndian.Uint32(pointer), binary.NativeEndian.Uint32(pointer[4:])
	offset := binary.NativeEndian.Uint32(pointer[8:])
	if number != newest.number {
		return number < newest.number
	}
	r.Reset(io.NewSectionReader(f, int64(offset), int64(length)))
	e, err := readLogEntry(r)
	return err == nil && e.len == int64(length)
}
