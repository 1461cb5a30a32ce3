package conformance

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/conformance.md anew, and take out of unproven.txt what is proven")

const (
	root       = "../.."
	reportPage = root + "/docs/conformance.md"
)

// load reads the repository; citations of unknown statements and the like fail
// the test.
func load(t *testing.T) *Survey {
	t.Helper()
	s, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReportIsCurrent(t *testing.T) {
	s := load(t)
	want := Report(s)
	if *update {
		if err := os.WriteFile(reportPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		shrink(t, s)
	}
	got, err := os.ReadFile(reportPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/conformance.md is not what the tests cite: run 'make generate'")
	}
}

// shrink takes out of unproven.txt what has a test by now. It adds nothing.
func shrink(t *testing.T, s *Survey) {
	t.Helper()
	text, err := os.ReadFile(root + "/" + unprovenFile)
	if err != nil {
		t.Fatal(err)
	}
	missing := s.Missing()
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if l := strings.TrimSpace(line); l == "" || l[0] == '#' || slices.Contains(missing, l) {
			kept.WriteString(line)
		}
	}
	if kept.String() == string(text) {
		return
	}
	if err := os.WriteFile(root+"/"+unprovenFile, []byte(kept.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every statement that binds a server has a test, but for those in unproven.txt,
// which may only become fewer.
func TestEveryStatementIsProven(t *testing.T) {
	s := load(t)
	missing := s.Missing()
	for _, st := range missing {
		if !slices.Contains(s.Unproven, st) {
			t.Errorf("%s: got no test that cites it, want one", st)
		}
	}
	for i, st := range s.Unproven {
		if !slices.Contains(missing, st) {
			t.Errorf("%s is in unproven.txt, but has a test or needs none: run 'make generate'", st)
		}
		if slices.Contains(s.Unproven[:i], st) {
			t.Errorf("%s is in unproven.txt twice", st)
		}
	}
}

// What is declined is not also claimed to be proven by a whole connection: that
// one of the two is wrong. A codec may do more than the server uses.
func TestDeclinedStatementsHaveNoTest(t *testing.T) {
	s := load(t)
	for _, v := range Versions {
		for _, st := range s.Catalogues[v].Statements {
			for _, p := range s.Proofs(v, st.Label) {
				if st.Declined != "" && !strings.HasPrefix(p.File, "broker/mqtt/packet/") {
					t.Errorf("%s %s is declined, but cited by %s: %s", v, st.Label, p.File, p.Test)
				}
			}
		}
	}
}
