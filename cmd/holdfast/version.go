package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
)

const versionNotes = `Examples:
  holdfast version
  holdfast version --format json

Exit codes: 0 printed, 1 it could not be written, 2 wrong command line.
`

// versionInfo is what `version --format json` prints.
type versionInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func runVersion(_ context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "version", "version [--format text|json]", versionNotes)
	format := fs.String("format", "text", "text or json")
	if code, done := parse(fs, stdio, args); done {
		return code
	}
	v := versionInfo{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	var err error
	switch *format {
	case "text":
		_, err = fmt.Fprintf(stdio.Out, "holdfast %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
	case "json":
		err = json.NewEncoder(stdio.Out).Encode(v)
	default:
		return usageError(stdio, fs.Name(), fmt.Errorf("--format %q is neither text nor json", *format))
	}
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	return exitOK
}
