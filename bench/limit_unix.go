//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// RaiseFileLimit raises the limit of open descriptors of this process, and of
// those that it starts from then on, as far as it may. It returns an error if that
// is below n. A privileged process raises even the hard limit.
func RaiseFileLimit(n int) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	lim.Cur = lim.Max
	if have := int64(lim.Max); have >= 0 && have < int64(n) { // negative: unlimited
		set(&lim.Cur, n)
		set(&lim.Max, n)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
			return fmt.Errorf("%d open files are needed and %d are allowed: raise the hard limit (ulimit -Hn)", n, have)
		}
		return nil
	}
	// Set it even where it seems to be so: Go's runtime has raised the soft limit
	// for this process only and would give children the old one.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}

// set assigns n to a limit, whose type differs between systems.
func set[T int64 | uint64](limit *T, n int) { *limit = T(n) }
