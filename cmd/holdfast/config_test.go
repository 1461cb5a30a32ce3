package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	for file, text := range map[string]string{good: "api: off\n", bad: "apy: off\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sample := filepath.Join(dir, "sample.yaml") // as the head of the shipped profile has it
	text := "listen: ['auto://127.0.0.1:0?protocols=mqtt,ximp,miop,dispatch&profile=../../configs/native.yaml']\n"
	if err := os.WriteFile(sample, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOLDFAST_LOG_LEVEL", "warn")
	for _, tt := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{nil, exitUsage, "", "holdfast config show"},
		{[]string{"bogus"}, exitUsage, "", `"bogus" is neither show nor check`},
		{[]string{"check"}, exitUsage, "", "no file given"},
		{[]string{"check", "--help"}, exitOK, "Usage: holdfast config check", ""},
		{[]string{"check", good}, exitOK, good + ": valid\n", ""},
		{[]string{"check", "--profile", "../../configs/native.yaml"}, exitOK, "native.yaml: valid\n", ""},
		{[]string{"check", "--profile", good}, exitUsage, "", good + `:1: unknown key "api"`},
		{[]string{"check", "--profile", filepath.Join(dir, "none")}, exitUsage, "", "no such file"},
		{[]string{"check", sample}, exitOK, sample + ": valid\n", ""},
		{[]string{"check", "../../configs/native.yaml"}, exitUsage, "", `unknown key "ximp" (it is one of a profile`},
		{[]string{"check", bad, good}, exitUsage, good + ": valid\n", "holdfast: " + bad + `:1: unknown key "apy" (did you mean api?)`},
		{[]string{"show", "--config", good, "--log-format", "json"}, exitOK, "api: \"off\"\napi_hosts: []\ndata: holdfast-data\nlog_level: warn\nlog_format: json\n", ""},
		{[]string{"show", "--config", bad}, exitUsage, "", `unknown key "apy"`},
		{[]string{"show", "--bogus"}, exitUsage, "", "unknown flag: --bogus"},
	} {
		code, stdout, stderr := run(t, "", append([]string{"config"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("config %q: got %d, %q, %q, want %d, %q, %q", tt.args, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

// What show prints can be used as the file.
func TestConfigShowReadsBack(t *testing.T) {
	_, stdout, _ := run(t, "", "config", "show")
	file := filepath.Join(t.TempDir(), "shown.yaml")
	if err := os.WriteFile(file, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.ReadFile(file); err != nil {
		t.Errorf("got %v for %q", err, stdout)
	}
}
