package packet

// varintSize returns the number of bytes of x, 0 <= x <= MaxRemainingLength, as a
// Variable Byte Integer.
func varintSize(x int) int {
	switch {
	case x < 1<<7:
		return 1
	case x < 1<<14:
		return 2
	case x < 1<<21:
		return 3
	}
	return 4
}

// appendVarint appends x, 0 <= x <= MaxRemainingLength.
func appendVarint(dst []byte, x int) []byte {
	for x >= 0x80 {
		dst = append(dst, byte(x)|0x80)
		x >>= 7
	}
	return append(dst, byte(x))
}

// readVarint decodes the integer at the start of b and the bytes it takes. n is 0
// if b ends inside it and -1 if it is over four bytes or not in its shortest form,
// v5 [MQTT-1.5.5-1].
func readVarint(b []byte) (x, n int) {
	for i := range min(len(b), 4) {
		c := b[i]
		x |= int(c&0x7F) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, -1
			}
			return x, i + 1
		}
	}
	if len(b) >= 4 {
		return 0, -1
	}
	return 0, 0
}
