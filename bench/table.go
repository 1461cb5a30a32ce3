package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is a report of benchmarks as rows of cells.
type Table struct {
	Title  string
	Header []string
	Rows   [][]string // each as long as Header
	Note   string
	Texts  []int // columns, from 0 on, that are not numbers, for Markdown's alignment
}

// WriteText writes the table for people.
func (t *Table) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", t.Title)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(t.Header, "\t"))
	for _, cells := range t.Rows {
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // into memory
	fmt.Fprintf(&b, "\n%s\n", t.Note)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes it as Markdown.
func (t *Table) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| %s |\n", t.Title, strings.Join(t.Header, " | "))
	rules := make([]string, len(t.Header))
	for i := range rules {
		rules[i] = "--:"
	}
	for _, i := range t.Texts {
		rules[i] = "---"
	}
	fmt.Fprintf(&b, "|%s|\n", strings.Join(rules, "|"))
	for _, cells := range t.Rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Fprintf(&b, "\n%s\n", t.Note)
	_, err := io.WriteString(w, b.String())
	return err
}
