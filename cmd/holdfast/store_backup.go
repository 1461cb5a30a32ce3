package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const storeBackupNotes = `FILE is there when the backup is whole, and not before: until then it is FILE.partial. It holds Sessions and messages
as they were at one moment; only its owner may read it.

Examples:
  holdfast store backup /backup/holdfast.bak --data /var/lib/holdfast
  holdfast store backup /backup/holdfast.bak --api http://127.0.0.1:8088
  holdfast store backup - --api http://127.0.0.1:8088 | zstd > /backup/holdfast.bak.zst   # with pipefail
` + storeNotes

func runStoreBackup(ctx context.Context, args []string, stdio Stdio) int {
	flags := newFlagSet(stdio, "store backup", "store backup FILE [flags]", storeBackupNotes)
	where := addStoreFlags(flags, true)
	force := flags.Bool("force", false, "replace FILE, and what an interrupted backup has left of FILE.partial")
	file, code, done := parseFile(flags, stdio, args)
	if done {
		return code
	}
	if file == "-" && isTerminal(stdio.Out) {
		return usageError(stdio, flags.Name(), errors.New("a backup is not for a terminal: name a file, or send it to a program"))
	}
	if file != "-" {
		if err := mayReplace(file, *force); err != nil {
			return failure(stdio, flags.Name(), err)
		}
	}
	tool, code := where.open(ctx, stdio)
	if code != exitOK {
		return code
	}
	defer tool.Close()
	bar := newStoreBar(stdio.Err, "backup", "")
	write := func(w io.Writer) error { return tool.Backup(ctx, io.MultiWriter(w, bar)) }
	var err error
	if file == "-" {
		err = write(stdio.Out)
	} else {
		err = writeWhole(file, *force, write)
	}
	bar.clear()
	if err != nil {
		return failure(stdio, flags.Name(), err)
	}
	return exitOK
}

// mayReplace returns an error if there is something at file that must stay.
func mayReplace(file string, force bool) error {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file that can be replaced", file)
	case !force:
		return fmt.Errorf("%s is there already: choose another name, or replace it with --force", file)
	}
	return nil
}

// writeWhole makes file with what write writes. Under that name there is all of it, safe on disk, or nothing
// new: until then it is in a file beside it, which is removed if write fails.
func writeWhole(file string, force bool, write func(io.Writer) error) error {
	partial := file + ".partial"
	if force {
		if err := mayReplace(partial, true); err != nil {
			return err
		}
		if err := os.Remove(partial); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: a backup is being written, or one was interrupted; remove it, or replace it with --force", partial)
	}
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = moveTo(partial, file, force)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return syncDir(filepath.Dir(file))
}

// moveTo gives a file its name. Unless it is forced to, it replaces nothing that has come up meanwhile.
func moveTo(partial, file string, force bool) error {
	if !force {
		err := os.Link(partial, file)
		switch {
		case err == nil:
			return os.Remove(partial)
		case errors.Is(err, fs.ErrExist):
			return mayReplace(file, false)
		}
		// A file system without links: a look has to do.
		if err := mayReplace(file, false); err != nil {
			return err
		}
	}
	return os.Rename(partial, file)
}

// syncDir has a new name in dir survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
