package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/holdfast-mqtt/holdfast/center"
)

const storeCheckNotes = `Everything is read, decoded and compared with its checksum. Keys are in hexadecimal, as in the log of a node that
comes across them; a node leaves damaged values out and delivers the rest. Nothing is repaired: restore a backup, or
go on without what is damaged. "Unneeded" messages are a crash's remains, which leave at the next start.

Examples:
  holdfast store check --data /var/lib/holdfast
  holdfast store check --api http://127.0.0.1:8088 --format json

Exit codes: 0 nothing is damaged, 1 something is or it could not be checked, 2 wrong command line or configuration.
`

// maxShownFaults bounds what is printed.
const maxShownFaults = 1000

// checkReport is what `store check --format json` prints.
type checkReport struct {
	center.StoreCheck
	Damaged []center.StoreFault `json:"damaged"` // the first 1,000 of them
}

func runStoreCheck(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "store check", "store check [flags]", storeCheckNotes)
	where := addStoreFlags(fs, true)
	format := fs.String("format", "text", "text or json")
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	if *format != "text" && *format != "json" {
		return usageError(stdio, fs.Name(), fmt.Errorf("--format %q is neither text nor json", *format))
	}
	tool, code := where.open(ctx, stdio)
	if code != exitOK {
		return code
	}
	defer tool.Close()
	report := checkReport{Damaged: []center.StoreFault{}}
	bar := newStoreBar(stdio.Err, "check", keysUnit)
	var err error
	report.StoreCheck, err = tool.Check(ctx, bar.keys, func(f center.StoreFault) {
		if len(report.Damaged) < maxShownFaults {
			report.Damaged = append(report.Damaged, f)
		}
	})
	bar.clear()
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	if err := printCheck(stdio, &report, *format); err != nil {
		return failure(stdio, fs.Name(), err)
	}
	if report.Faults > 0 {
		return exitFailure
	}
	return exitOK
}

func printCheck(stdio Stdio, r *checkReport, format string) error {
	if format == "json" {
		e := json.NewEncoder(stdio.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	for _, f := range r.Damaged {
		if f.Key == "" {
			f.Key = "(no single key)"
		}
		if _, err := fmt.Fprintf(stdio.Out, "damaged: %s: %s\n", f.Key, f.Error); err != nil {
			return err
		}
	}
	u := &r.Usage
	keys := u.Sessions.Count + u.Entries.Count + u.Receipts.Count + u.Cursors.Count + u.Bodies.Count + u.Logs.Count + u.Retained.Count + u.Other.Count
	_, err := fmt.Fprintf(stdio.Out, "%d keys, %d damaged, %d unneeded\n", keys, r.Faults, r.Unneeded)
	return err
}
