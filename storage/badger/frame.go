package badger

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// backupMagic begins a backup; backupVersion follows it in one byte.
const (
	backupMagic   = "holdfast-backup\n"
	backupVersion = 1
)

// What a frame of a backup is, its first byte.
const (
	frameKey = 1
	frameEnd = 2
)

// frame is one key of a backup.
type frame struct {
	key, value []byte
	until      uint64
}

// backupWriter writes a backup; see the package comment for its format.
type backupWriter struct {
	w     *bufio.Writer
	crc   hash.Hash32
	buf   []byte
	count uint64
}

func newBackupWriter(w io.Writer) *backupWriter {
	b := &backupWriter{w: bufio.NewWriterSize(w, 256<<10), crc: crc32.New(castagnoli)}
	b.buf = append(append(b.buf, backupMagic...), backupVersion)
	return b
}

// flush passes on what is in buf.
func (b *backupWriter) flush() error {
	b.crc.Write(b.buf)
	_, err := b.w.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}

func (b *backupWriter) add(f frame) error {
	b.count++
	b.buf = append(b.buf, frameKey)
	b.buf = appendBytes(appendBytes(b.buf, f.key), f.value)
	b.buf = binary.AppendUvarint(b.buf, f.until)
	return b.flush()
}

func (b *backupWriter) end() error {
	b.buf = binary.AppendUvarint(append(b.buf, frameEnd), b.count)
	if err := b.flush(); err != nil {
		return err
	}
	if _, err := b.w.Write(binary.BigEndian.AppendUint32(nil, b.crc.Sum32())); err != nil {
		return err
	}
	return b.w.Flush()
}

// maxFramePart bounds keys and values of a backup: Badger's value log takes no larger ones.
const maxFramePart = vlogFileSize

// readBackup calls f for each key of a backup. A backup that is cut short, has something behind its end or fails its
// checksum is ErrBackup, at the end: what f was told before may be wrong.
func readBackup(r io.Reader, f func(frame) error) error {
	br := bufio.NewReaderSize(r, 256<<10)
	h := &hashingReader{r: br, crc: crc32.New(castagnoli)}
	head := make([]byte, len(backupMagic)+1)
	if _, err := io.ReadFull(h, head); err != nil || string(head[:len(backupMagic)]) != backupMagic {
		return fmt.Errorf("%w: it does not begin like one", ErrBackup)
	}
	if v := head[len(backupMagic)]; v != backupVersion {
		return fmt.Errorf("%w: it has version %d, this program knows %d", ErrBackup, v, backupVersion)
	}
	for count := uint64(0); ; count++ {
		kind, err := h.ReadByte()
		if err != nil {
			return fmt.Errorf("%w: it is cut short", ErrBackup)
		}
		if kind == frameEnd {
			return readBackupEnd(br, h, count)
		}
		if kind != frameKey {
			return fmt.Errorf("%w: it has an unknown frame", ErrBackup)
		}
		var fr frame
		if fr.key, err = readPart(h); err == nil {
			fr.value, err = readPart(h)
		}
		if err == nil {
			fr.until, err = binary.ReadUvarint(h)
		}
		if err != nil {
			return fmt.Errorf("%w: after %d keys: %w", ErrBackup, count, err)
		}
		if err := f(fr); err != nil {
			return err
		}
	}
}

func readBackupEnd(br *bufio.Reader, h *hashingReader, count uint64) error {
	n, err := binary.ReadUvarint(h)
	want := h.crc.Sum32()
	var sum [4]byte
	if err == nil {
		_, err = io.ReadFull(br, sum[:])
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: it is cut short", ErrBackup)
	case n != count || binary.BigEndian.Uint32(sum[:]) != want:
		return fmt.Errorf("%w: its checksum is wrong", ErrBackup)
	}
	if _, err := br.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: something follows its end", ErrBackup)
	}
	return nil
}

// readPart reads a length and as many bytes. It allocates no more than twice what has arrived.
func readPart(h *hashingReader) ([]byte, error) {
	n, err := binary.ReadUvarint(h)
	if err != nil {
		return nil, err
	}
	if n > maxFramePart {
		return nil, fmt.Errorf("a part of %d bytes", n)
	}
	const step = 64 << 10
	b := make([]byte, 0, min(n, step))
	for uint64(len(b)) < n {
		at := len(b)
		more := int(min(n-uint64(at), uint64(max(at, step))))
		b = append(b, make([]byte, more)...)
		if _, err := io.ReadFull(h, b[at:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
