//go:build !unix

package bench

import "errors"

func blocksBelow(string) (int64, error) { return 0, errors.New("not supported on this system") }
