package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// logHeaderLen is the length of the header of Badger's logs.
const logHeaderLen = 20

// mendLogs repairs what a crash of the machine may leave of Badger's logs and Badger does not cope with itself.
//
//   - A log of no bytes at all: Badger refuses to open. One of its value log gets a header, so that its number is not
//     used again for other values; a write-ahead log is removed.
//   - Values that their log has lost: Badger would forget these writes and keep later ones. The write-ahead log is cut
//     where the first of them is, so that what is left is all that was written up to some moment.
//   - Statistics of odd length, which are removed.
func mendLogs(dir string) error {
	vlogs, err := logFiles(dir, ".vlog")
	if err != nil {
		return err
	}
	for _, f := range vlogs {
		if f.size == 0 {
			if err := os.Truncate(f.path, logHeaderLen); err != nil {
				return err
			}
		}
	}
	wals, err := logFiles(dir, ".mem")
	if err != nil {
		return err
	}
	cut := false
	for _, f := range wals {
		if f.size == 0 || cut {
			if err := os.Remove(f.path); err != nil {
				return err
			}
			continue
		}
		if len(vlogs) == 0 {
			continue
		}
		at, err := lostValue(f.path, vlogs[len(vlogs)-1])
		if err != nil {
			return err
		}
		if cut = at > 0; cut {
			if err := os.Truncate(f.path, at); err != nil {
				return err
			}
		}
	}
	stats := filepath.Join(dir, "DISCARD")
	if info, err := os.Stat(stats); err == nil && info.Size()%16 != 0 {
		return os.Remove(stats)
	}
	return nil
}

// logFile is one of Badger's logs.
type logFile struct {
	path   string
	number uint32
	size   int64
}

// logFiles returns the logs with that ending, in order of their numbers.
func logFiles(dir, ending string) ([]logFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []logFile
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ending)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("unknown file %s", e.Name())
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, logFile{filepath.Join(dir, e.Name()), uint32(n), info.Size()})
	}
	slices.SortFunc(files, func(a, b logFile) int { return int(a.number) - int(b.number) })
	return files, nil
}
