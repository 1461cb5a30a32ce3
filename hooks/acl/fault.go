package acl

import (
	"errors"
	"fmt"
	"slices"
)

// Fault is something wrong in a file of rules.
type Fault struct {
	Line int // from 1
	Text string
}

// Error says where and what.
func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Text) }

// faults gathers what is wrong.
type faults []*Fault

func (f *faults) add(line int, format string, args ...any) {
	*f = append(*f, &Fault{Line: line, Text: fmt.Sprintf(format, args...)})
}

// err joins them in the order of their lines, nil if there are none.
func (f faults) err() error {
	slices.SortStableFunc(f, func(a, b *Fault) int { return a.Line - b.Line })
	all := make([]error, len(f))
	for i := range f {
		all[i] = f[i]
	}
	return errors.Join(all...)
}
