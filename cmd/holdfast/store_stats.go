package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/holdfast-mqtt/holdfast/center"
)

const storeStatsNotes = `All keys are read. With --api the node's counters since its start are
shown as well.

Examples:
  holdfast store stats --data /var/lib/holdfast
  holdfast store stats --api http://127.0.0.1:8088 --format json
` + storeNotes

func runStoreStats(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "store stats", "store stats [flags]", storeStatsNotes)
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
	bar := newStoreBar(stdio.Err, "stats", keysUnit)
	r, err := tool.report(ctx, bar.keys)
	bar.clear()
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	if *format == "json" {
		e := json.NewEncoder(stdio.Out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = writeStoreReport(stdio.Out, r)
	}
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}

// writeStoreReport writes r as a table.
func writeStoreReport(w io.Writer, r center.StoreReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, count any, bytes string) { fmt.Fprintf(t, "%v\t%s\t  %s\n", count, bytes, name) }
	if u := r.Usage; u != nil {
		writeStoreUsage(row, u)
	}
	if a := r.Activity; a != nil {
		row("commits since the start", a.Commits, meanOf(a))
		row("keys written or deleted", a.Entries, "")
		row("acknowledged before they were written", a.Cancelled, "")
		row("waiting to be written", a.PendingOperations, binaryBytes(a.PendingBytes))
		row("writes refused", a.Refused, "")
		row("corrupt values left out", a.Corrupt, "")
		row("errors of the disk or the database", a.Errors, "")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if a := r.Activity; a != nil && a.Full {
		fmt.Fprintln(w, "\nThe disk is full: QoS 1 and 2 publishes are refused.")
	}
	if a := r.Activity; a != nil && a.LastError != "" {
		fmt.Fprintf(w, "\nThe last error, at %s: %s\n", a.LastErrorAt.Format(time.RFC3339), a.LastError)
	}
	return nil
}

func writeStoreUsage(row func(name string, count any, bytes string), u *center.StoreUsage) {
	amount := func(name string, a center.StoreAmount) { row(name, a.Count, binaryBytes(a.Bytes)) }
	amount("Sessions", u.Sessions)
	row("mailboxes with something in them", u.Mailboxes, "")
	amount("messages in mailboxes", u.Entries)
	amount("messages stored once for many Sessions", u.Bodies)
	amount("messages in logs of broadcasts", u.Logs)
	amount("places in these logs", u.Cursors)
	amount("QoS 2 publishes not released", u.Receipts)
	amount("retained messages", u.Retained)
	amount("of the store itself", u.Other)
	row("files: tree", "", binaryBytes(u.LSMBytes))
	row("files: value log", "", binaryBytes(u.VlogBytes))
}

// meanOf is how long a commit takes, in words.
func meanOf(a *center.StoreStats) string {
	if a.Commits == 0 {
		return ""
	}
	mean := time.Duration(a.CommitSeconds / float64(a.Commits) * float64(time.Second))
	return mean.Round(time.Microsecond).String() + " each"
}

// binaryBytes writes n with a unit and one digit behind the point.
func binaryBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/(1<<10), "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if f < 1<<10 {
			break
		}
		f, unit = f/(1<<10), next
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
