package badger

import (
	"errors"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// ErrClosed means that the Store was closed before the call.
var ErrClosed = errors.New("store is closed")

// ErrInUse means that another process has the data directory open.
var ErrInUse = errors.New("in use by another process")

// ErrLayout means that the data directory was written by a version that this one does not know.
var ErrLayout = errors.New("unknown layout version")

// ErrBroken means that the disk has failed, and nothing is written until the Store is opened again.
var ErrBroken = errors.New("an earlier write has failed")

// ErrNotEmpty means that there is something already where a backup is to be restored.
var ErrNotEmpty = errors.New("directory is not empty")

// ErrBackup means that a backup is cut short or corrupt.
var ErrBackup = errors.New("backup is damaged")

var (
	errTooMuchPending = fmt.Errorf("too much waits to be written: %w", broker.ErrStoreFull)
	errDiskFull       = fmt.Errorf("no space left beside the reserve: %w", broker.ErrStoreFull)
	errReserveUsed    = fmt.Errorf("the reserve of disk space is used up: %w", broker.ErrStoreFull)
	errNameTooLong    = errors.New("name of the App is too long")
)
