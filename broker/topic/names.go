package topic

import "unicode/utf8"

// MaxLen is the greatest length of a Topic Name or Topic Filter in bytes:
// v5 [MQTT-4.7.3-3], v3.1.1 [MQTT-4.7.3-3].
const MaxLen = 65535

// Text is what names and filters may be given as. Neither form is copied,
// kept or changed by the functions that take it.
type Text interface{ ~string | ~[]byte }

// ValidateName reports what forbids b as a Topic Name, nil if nothing does:
// ErrEmpty, ErrTooLong, ErrNotUTF8, ErrNull or ErrWildcardInName. It does not
// allocate. A name beginning with "$share/" is not refused: such a name can
// be published to, but no Shared Subscription matches it.
func ValidateName[T Text](b T) error {
	if err := validateSize(b); err != nil {
		return err
	}
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c >= utf8.RuneSelf:
			n := sequence(b, i)
			if n == 0 {
				return ErrNotUTF8 // v5 [MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.3-1]
			}
			i += n
			continue
		case c == 0:
			return ErrNull // v5 [MQTT-4.7.3-2], v3.1.1 [MQTT-4.7.3-2]
		case c == '+' || c == '#':
			return ErrWildcardInName // v5 [MQTT-3.3.2-2], v3.1.1 [MQTT-3.3.2-2]
		}
		i++
	}
	return nil
}

// ValidateFilter reports what forbids b as the Topic Filter of a SUBSCRIBE or
// UNSUBSCRIBE, nil if nothing does: ErrEmpty, ErrTooLong, ErrNotUTF8, ErrNull,
// ErrWildcardPlace, and for filters beginning with "$share/" ErrShareName and
// ErrShareFilter. It does not allocate.
func ValidateFilter[T Text](b T) error {
	if err := validateSize(b); err != nil {
		return err
	}
	start := 0
	if isShare(b) {
		end, err := shareName(b)
		if err != nil {
			return err
		}
		if err := validateLevels(b[len(sharePrefix):end]); err != nil {
			return err
		}
		start = end + 1
	}
	return validateLevels(b[start:])
}

// Levels returns the number of levels of b, which is one more than it has '/'.
// The two levels "$share" and ShareName of a Shared Subscription count.
func Levels[T Text](b T) int {
	n := 1
	for i := range len(b) {
		if b[i] == '/' {
			n++
		}
	}
	return n
}

func validateSize[T Text](b T) error {
	if len(b) == 0 {
		return ErrEmpty // v5 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-1]
	}
	if len(b) > MaxLen {
		return ErrTooLong
	}
	return nil
}

// validateLevels checks the characters of a filter and where its wildcards stand.
func validateLevels[T Text](b T) error {
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c >= utf8.RuneSelf:
			n := sequence(b, i)
			if n == 0 {
				return ErrNotUTF8
			}
			i += n
			continue
		case c == 0:
			return ErrNull
		case c == '+' || c == '#':
			first := i == 0 || b[i-1] == '/'
			last := i+1 == len(b)
			// v5 [MQTT-4.7.1-1] and [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-2] and [MQTT-4.7.1-3]
			if !first || (!last && (c == '#' || b[i+1] != '/')) {
				return ErrWildcardPlace
			}
		}
		i++
	}
	return nil
}

// sequence returns the length of the UTF-8 sequence at b[i], 0 if it is ill-formed.
func sequence[T Text](b T, i int) int {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], b[i:min(i+utf8.UTFMax, len(b))])
	r, size := utf8.DecodeRune(buf[:n])
	if r == utf8.RuneError && size <= 1 {
		return 0
	}
	return size
}
