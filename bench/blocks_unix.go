//go:build unix

package bench

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// blocksBelow is the size of what is stored below dir. A file counts with the
// blocks that it has, not with its length: a log may be as long from the
// beginning as it will ever be.
func blocksBelow(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // the broker has removed it meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512 // POSIX leaves the unit open; every Unix counts in 512
		}
		return nil
	})
	return bytes, err
}
