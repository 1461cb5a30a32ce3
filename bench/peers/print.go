package peers

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// note explains the table.
const note = "Figures are medians of the rounds, ratios (holdfast by mosquitto) medians of the rounds' ratios. " +
	"Memory is resident memory without the kernel's part."

// cells returns a row's texts.
func (row *Row) cells() []string {
	unit := ""
	if row.Unit != "" {
		unit = ", " + row.Unit
	}
	ratio := "–"
	if row.Ratio != nil {
		ratio = number(*row.Ratio)
	}
	return []string{
		row.Scenario, row.Metric + unit, number(row.Holdfast), number(row.Mosquitto), ratio,
		verdict(row.Must, row.OK), verdict(row.Aim, row.Aimed),
	}
}

// verdict says what was asked for and whether it holds.
func verdict(bound string, ok bool) string {
	switch {
	case bound == "":
		return ""
	case ok:
		return bound + " pass"
	}
	return bound + " FAIL"
}

var header = []string{"scenario", "figure", "holdfast", "mosquitto", "ratio", "must reach", "aim"}

// title describes the machine in one line.
func (r *Report) title() string {
	return fmt.Sprintf("%s, mosquitto %s, %d round(s)", r.Machine, r.Mosquitto, r.Rounds)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.title())
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for i := range r.Rows {
		fmt.Fprintln(t, strings.Join(r.Rows[i].cells(), "\t"))
	}
	_ = t.Flush() // into memory
	fmt.Fprintf(&b, "\n%s\n", note)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the report as a Markdown table.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| %s |\n|---|---|--:|--:|--:|---|---|\n", r.title(), strings.Join(header, " | "))
	for i := range r.Rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.Rows[i].cells(), " | "))
	}
	fmt.Fprintf(&b, "\n%s\n", note)
	_, err := io.WriteString(w, b.String())
	return err
}
