package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/holdfast-mqtt/holdfast/bench"
)

// report is what a benchmark of brokers that it starts itself has found.
type report interface{ Table() *bench.Table }

// readyReport checks the format of a report, and has program, if it is empty, be this one. done tells that the command has ended.
func readyReport(stdio Stdio, name, format string, program *string) (code int, done bool) {
	if format != "text" && format != "json" && format != "markdown" {
		return usageError(stdio, name, fmt.Errorf("--format %q is neither text, json nor markdown", format)), true
	}
	if *program == "" {
		var err error
		if *program, err = os.Executable(); err != nil {
			return failure(stdio, name, fmt.Errorf("find this program: %w", err)), true
		}
	}
	return exitOK, false
}

func printReport(stdio Stdio, r report, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(stdio.Out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "markdown":
		return r.Table().WriteMarkdown(stdio.Out)
	}
	return r.Table().WriteText(stdio.Out)
}
