package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// logSuffixes are the files to which the store appends: Badger's logs of memtables and of large values.
var logSuffixes = []string{".mem", ".vlog"}

// cut is what was taken off a file.
type cut struct {
	name  string
	bytes int64 // of what had been written, see writtenBytes
	left  int64
}

func (c cut) String() string {
	return fmt.Sprintf("%d bytes off %s, %d are left", c.bytes, filepath.Base(c.name), c.left)
}

var errNoLog = errors.New("the data directory has no log file with anything in it")

// cutNewest takes up to most bytes, at least 1, off the end of the newest log file below dir. choose returns a
// number from 0 to n-1.
func cutNewest(dir string, most int64, choose func(n int64) int64) (cut, error) {
	name, written, err := newestLog(dir)
	if err != nil {
		return cut{}, err
	}
	c := cut{name: name, bytes: 1 + choose(min(most, written))}
	c.left = written - c.bytes
	return c, os.Truncate(name, c.left)
}

// newestLog finds the log file that was written to last and how much of it was.
func newestLog(dir string) (name string, written int64, err error) {
	var newest time.Time
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !isLog(path) {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().After(newest) {
			return err
		}
		n, err := writtenBytes(path)
		if err == nil && n > 0 {
			name, written, newest = path, n, info.ModTime()
		}
		return err
	})
	if err == nil && name == "" {
		err = errNoLog
	}
	return name, written, err
}

func isLog(path string) bool {
	for _, suffix := range logSuffixes {
		if filepath.Ext(path) == suffix {
			return true
		}
	}
	return false
}

// writtenBytes is the size of a file without the zeros at its end: a log that is mapped into memory is as large as
// it may become from the beginning.
func writtenBytes(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if rest := bytes.TrimRight(buf[:n], "\x00"); len(rest) > 0 {
			return end - n + int64(len(rest)), nil
		}
		end -= n
	}
	return 0, nil
}
