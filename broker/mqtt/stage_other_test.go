//go:build !linux

package mqtt

import "testing"

var newNativeStage func(t *testing.T) stage
