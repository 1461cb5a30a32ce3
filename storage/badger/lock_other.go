//go:build !unix

package badger

import (
	"os"
	"path/filepath"
)

// lockName is the file that is held open while a Store is open.
const lockName = "holdfast.lock"

// lockDir leaves it to Badger to keep others out.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
}
