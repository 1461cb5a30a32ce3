package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Size is a number of bytes, 0 or more. It is written as a plain number or with one of the units
// B, KiB, MiB and GiB (powers of 1,024), as in `1MiB`.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads a Size. Blanks before the unit are allowed, fractions are not.
func ParseSize(s string) (Size, error) {
	number, factor := s, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is not a size: write a number of bytes, or one with KiB, MiB or GiB", s)
	}
	return Size(n * factor), nil
}

// String writes s with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML reads a scalar by [ParseSize]. The error names the line.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	size, err := ParseSize(node.Value)
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", node.Line, err)}}
	}
	*s = size
	return nil
}

// MarshalYAML writes s as [Size.String] does.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }
