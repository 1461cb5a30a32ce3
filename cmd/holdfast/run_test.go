package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // parts
	}{
		{"", exitUsage, "", "Usage:\n  holdfast COMMAND"},
		{"help", exitOK, "Usage:\n  holdfast COMMAND", ""},
		{"--help", exitOK, "serve     run the broker", ""},
		{"help sub", exitOK, "Usage: holdfast sub -t FILTER", ""},
		{"bogus", exitUsage, "", `unknown command "bogus"`},
		{"version", exitOK, "holdfast " + version + " go1", ""},
		{"--version", exitOK, "holdfast " + version + " go1", ""},
		{"version now", exitUsage, "", `unexpected argument "now"`},
		{"version --format xml", exitUsage, "", `"xml" is neither text nor json`},
		{"version --format json", exitOK, `{"version":"` + version + `","go":"go1`, ""},
	} {
		code, stdout, stderr := run(t, "", strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%q: got %d, %q, %q, want %d, %q, %q", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
		if (tt.code == exitOK) != (stderr == "") {
			t.Errorf("%q: got exit code %d with %q on standard error", tt.args, code, stderr)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		code, stdout, stderr := run(t, "", c.name, "--help")
		if code != exitOK || stderr != "" {
			t.Errorf("%s --help: got %d, %q on standard error, want 0 and nothing", c.name, code, stderr)
		}
		for _, want := range []string{"Usage:", "Examples:", "Exit codes:"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s --help: got no %q", c.name, want)
			}
		}
	}
}
