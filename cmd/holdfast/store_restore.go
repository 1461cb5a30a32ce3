package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

const storeRestoreNotes = `The data directory must be empty or not be there, and the node stopped: move an old directory away first. When
the backup is damaged nothing is left behind. Session Expiry Intervals and messages' lifetimes count from when they
were stored, the time in the backup included.

Examples:
  holdfast store restore /backup/holdfast.bak --data /var/lib/holdfast
  zstd -d < /backup/holdfast.bak.zst | holdfast store restore - --data /var/lib/holdfast
` + storeNotes

func runStoreRestore(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "store restore", "store restore FILE [flags]", storeRestoreNotes)
	where := addStoreFlags(fs, false)
	file, code, done := parseFile(fs, stdio, args)
	if done {
		return code
	}
	c, err := where.load()
	if err != nil {
		return configError(stdio, fs.Name(), err)
	}
	in, size := stdio.In, int64(-1)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return failure(stdio, fs.Name(), err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = f
	}
	bar := newSizedBar(stdio.Err, "restore", "", size)
	err = badger.Restore(ctx, c.Data, io.TeeReader(in, bar))
	bar.clear()
	if err != nil {
		return failure(stdio, fs.Name(), adviseOnRestore(c.Data, err))
	}
	return exitOK
}

// adviseOnRestore says what can be done about a backup that can't be restored.
func adviseOnRestore(dir string, err error) error {
	switch {
	case errors.Is(err, badger.ErrNotEmpty):
		return fmt.Errorf("%w: stop the node and move the directory away first, or choose another --data", err)
	case errors.Is(err, badger.ErrBackup):
		return fmt.Errorf("%w: nothing was restored", err)
	}
	return adviseOnOpen(dir, err)
}
