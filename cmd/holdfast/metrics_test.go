package main

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/prometheus/client_golang/prometheus"
)

//go:generate go test -count=1 -run ^TestMetricsAreDocumented$ -update .

var update = flag.Bool("update", false, "write the table of metrics in docs/operations.md anew")

const (
	operationsPage = "../../docs/operations.md"
	tableBegin     = "<!-- metrics: written by 'make generate' -->\n"
	tableEnd       = "<!-- end of metrics -->\n"
)

// The table of metrics is what a broker that has served clients really shows.
func TestMetricsAreDocumented(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	native, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	c := config.Default()
	c.Data = filepath.Join(t.TempDir(), "data")
	r, err := startRoom(c, []opened{
		{Listener: ln}, {Listener: native, want: config.Listener{Scheme: "auto", Sniff: true, Protocols: []string{config.MIOP, config.XIMP}}},
	}, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	mustPub(t, port, "-t", "a", "-m", "x", "-r", "-q", "2")
	if code, _, stderr := run(t, "", "sub", "-h", "127.0.0.1", "-p", port, "-t", "a", "-C", "1"); code != exitOK {
		t.Errorf("sub: got %d, %s", code, stderr)
	}
	want := metricsTable(t, registry)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("docs/operations.md: got no %q and %q", tableBegin, tableEnd)
	}
	if *update {
		if err := os.WriteFile(operationsPage, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("docs/operations.md is not what the broker shows: run 'make generate'. Got\n%s\nwant\n%s", got, want)
	}
}

func metricsTable(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		var labels []string
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(labels, "`"+l.GetName()+"`") {
					labels = append(labels, "`"+l.GetName()+"`")
				}
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String() + "\n"
}
