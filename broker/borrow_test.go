package broker_test

import "unsafe"

// borrowString returns a string whose bytes are b's, as a front does.
func borrowString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
