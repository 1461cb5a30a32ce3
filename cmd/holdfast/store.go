package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

const storeUsage = `Usage:
  holdfast store stats [flags]          count what is stored
  holdfast store check [flags]          read all that is stored and name what is damaged
  holdfast store backup FILE [flags]    write a backup; - is standard output
  holdfast store restore FILE [flags]   make a data directory of a backup; - is standard input

The data directory is that of --data, HOLDFAST_DATA or the configuration file (--config, HOLDFAST_CONFIG), as with
'holdfast serve', and no node may be using it. While one does, --api has the node itself do the work; it goes on
serving. Restoring is for a node that is stopped.

Examples:
  holdfast store stats --data /var/lib/holdfast
  holdfast store backup /backup/holdfast.bak --api http://127.0.0.1:8088
  holdfast store restore /backup/holdfast.bak --data /var/lib/holdfast

Exit codes: 0 done, 1 it could not be done or 'check' has found damage, 2 wrong command line or configuration.
`

// storeNotes are the last lines of each subcommand's help.
const storeNotes = `
Exit codes: 0 done, 1 it could not be done, 2 wrong command line or configuration.
`

func runStore(ctx context.Context, args []string, stdio Stdio) int {
	return runSubcommand(ctx, args, stdio, "store", storeUsage, []subcommand{
		{"stats", runStoreStats},
		{"check", runStoreCheck},
		{"backup", runStoreBackup},
		{"restore", runStoreRestore},
	})
}

// storeTool is a store that an operator looks at: a data directory, or a node's API. Methods block until they are done or
// ctx ends. progress is told how many keys have been read.
type storeTool interface {
	report(ctx context.Context, progress func(keys uint64)) (center.StoreReport, error)
	Check(ctx context.Context, progress func(keys uint64), fault func(center.StoreFault)) (center.StoreCheck, error)
	Backup(ctx context.Context, w io.Writer) error
	Close() error
}

// storeFlags say where the store is.
type storeFlags struct {
	fs  *pflag.FlagSet
	api *string // nil: only a directory will do
}

func addStoreFlags(fs *pflag.FlagSet, api bool) *storeFlags {
	f := &storeFlags{fs: fs}
	fs.String("data", config.DefaultData, "the data `directory` of a node that is stopped")
	fs.String("config", "", "take the data directory from this YAML `file`")
	if api {
		f.api = fs.String("api", "", "`URL` of the API of a node that is running, as in http://127.0.0.1:8088")
	}
	return f
}

// load returns the configuration, of which the data directory and how it is used matters.
func (f *storeFlags) load() (*config.Config, error) {
	c, err := config.Load(f.fs, os.Environ())
	if err == nil && c.Data == config.InMemory {
		err = errors.New("data: \"memory\" is no directory: name one with --data")
	}
	return c, err
}

// open returns the store to look at. If it can't, the exit code is not 0 and the reason has been written.
func (f *storeFlags) open(ctx context.Context, stdio Stdio) (storeTool, int) {
	name := f.fs.Name()
	if *f.api != "" {
		if f.fs.Changed("data") {
			return nil, usageError(stdio, name, errors.New("--data and --api exclude each other: a node knows its own directory"))
		}
		tool, err := newAPITool(*f.api)
		if err != nil {
			return nil, usageError(stdio, name, err)
		}
		return tool, exitOK
	}
	c, err := f.load()
	if err != nil {
		return nil, configError(stdio, name, err)
	}
	d, err := openStopped(ctx, c, newLogger(stdio.Err, "error", "text"))
	if err != nil {
		return nil, failure(stdio, name, err)
	}
	return d, exitOK
}

// openStopped opens the data directory of a node that is stopped. Unlike a node it makes none.
func openStopped(ctx context.Context, c *config.Config, log *slog.Logger) (*disk, error) {
	switch info, err := os.Stat(c.Data); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data directory %s is not there", c.Data)
	case err == nil && info.IsDir():
		if _, err := os.Stat(filepath.Join(c.Data, "MANIFEST")); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is no data directory: it has no MANIFEST", c.Data)
		}
	}
	d, err := openDisk(ctx, c, log)
	if errors.Is(err, badger.ErrInUse) {
		api := c.API
		if api == "off" {
			api = config.Default().API
		}
		return nil, fmt.Errorf("data directory %s is %w: if that is a running node, add --api http://%s (its API), or stop it", c.Data, badger.ErrInUse, api)
	}
	return d, err
}
