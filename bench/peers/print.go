package peers

import (
	"fmt"

	"github.com/holdfast-mqtt/holdfast/bench"
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

// Table is the report for people.
func (r *Report) Table() *bench.Table {
	t := &bench.Table{Title: r.title(), Header: header, Note: note, Texts: []int{0, 1, 5, 6}}
	for i := range r.Rows {
		t.Rows = append(t.Rows, r.Rows[i].cells())
	}
	return t
}
