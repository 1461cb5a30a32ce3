package main

import (
	"context"
	"fmt"
	"runtime"
)

func runVersion(_ context.Context, _ []string, stdio Stdio) int {
	fmt.Fprintf(stdio.Out, "holdfast %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
