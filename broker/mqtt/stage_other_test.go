//go:build !linux

package mqtt

import "testing"

// newNativeStage returns nil: the portable engine is all there is.
func newNativeStage(*testing.T) stage { return nil }
