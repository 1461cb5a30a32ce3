package topic

import "errors"

var (
	// ErrEmpty means that a Topic Name or Topic Filter has no characters.
	ErrEmpty = errors.New("topic is empty")

	// ErrTooLong means that a Topic Name or Topic Filter has more than MaxLen bytes.
	ErrTooLong = errors.New("topic is longer than 65535 bytes")

	// ErrNotUTF8 means that the bytes are not well-formed UTF-8, which includes encoded surrogates.
	ErrNotUTF8 = errors.New("topic is not valid UTF-8")

	// ErrNull means that the string contains U+0000.
	ErrNull = errors.New("topic contains U+0000")

	// ErrWildcardInName means that a Topic Name contains '+' or '#'.
	ErrWildcardInName = errors.New("topic name contains a wildcard")

	// ErrWildcardPlace means that '+' or '#' does not occupy a whole level of a
	// Topic Filter, or that '#' is not its last level.
	ErrWildcardPlace = errors.New("wildcard in a wrong place of a topic filter")

	// ErrShareName means that the ShareName of a Shared Subscription is empty
	// or contains '+' or '#'.
	ErrShareName = errors.New("bad share name in a shared subscription")

	// ErrShareFilter means that a Shared Subscription has no Topic Filter behind its ShareName.
	ErrShareFilter = errors.New("shared subscription without a topic filter")
)
