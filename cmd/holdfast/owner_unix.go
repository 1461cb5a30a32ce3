//go:build unix

package main

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner and group of another one.
func keepOwner(h *os.File, of os.FileInfo) error {
	own, err := h.Stat()
	if err != nil {
		return err
	}
	have, ok1 := own.Sys().(*syscall.Stat_t)
	want, ok2 := of.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	return h.Chown(int(want.Uid), int(want.Gid))
}
