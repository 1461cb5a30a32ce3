package main

import (
	"context"
	"fmt"
)

func runServe(_ context.Context, _ []string, stdio Stdio) int {
	fmt.Fprintln(stdio.Err, "holdfast serve: the broker is not wired yet")
	return exitFailure
}
