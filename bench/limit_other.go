//go:build !unix

package bench

// RaiseFileLimit does nothing where there is no such limit.
func RaiseFileLimit(int) error { return nil }
