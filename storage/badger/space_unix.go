//go:build linux || darwin || freebsd

package badger

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// freeBytes is how much of the file system that dir is on is free for us.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// diskBytes is what a file takes on the disk.
func diskBytes(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
