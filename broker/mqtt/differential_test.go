package mqtt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// differences is where TestDifferential keeps what mochi does otherwise.
const differences = "testdata/mochi.txt"

// sometimes begins the reason of a script in which mochi, going by the order of
// a map or of equal times, differs in some runs only.
const sometimes = "sometimes: "

// TestDifferential plays the scripts of TestScripts, but for those with
// settings of the server or very long waits, against an in-process server of
// mochi-mqtt. Where its answers are not ours, the first such step is in
// testdata/mochi.txt, with the reason ("why") that decides for ours.
func TestDifferential(t *testing.T) {
	text, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "\n== ")
	known := make(map[string]string) // by the name of the script
	for s := range strings.SplitSeq(rest, "\n== ") {
		name, body, _ := strings.Cut(s, "\n")
		known[name] = strings.TrimSpace(body)
	}
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.WriteString(head)
	for _, file := range files {
		for name, steps := range sections(t, file) {
			var diff string
			synctest.Test(t, func(t *testing.T) { diff = playMochi(t, steps) })
			why, was, _ := strings.Cut(strings.TrimPrefix(known[name], "why: "), "\n")
			delete(known, name)
			switch {
			case diff == "" && strings.HasPrefix(why, sometimes):
				diff = was + "\n"
			case diff == "" && why != "":
				t.Errorf("%s: mochi does not differ any more; take it out of %s", name, differences)
				continue
			case diff == "":
				continue
			case why == "":
				t.Errorf("%s: mochi differs, and %s does not say why:\n%s", name, differences, diff)
			}
			fmt.Fprintf(&out, "\n== %s\nwhy: %s\n%s", name, why, diff)
		}
	}
	for name := range known {
		t.Errorf("%s has %q, which is no script", differences, name)
	}
	if *update {
		if err := os.WriteFile(differences, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// sections yields the scripts of a file that can be played against mochi.
func sections(t *testing.T, file string) func(yield func(string, []step) bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "== ")
	return func(yield func(string, []step) bool) {
		for s := range strings.SplitSeq(rest, "\n== ") {
			name, body, _ := strings.Cut(s, "\n")
			if strings.HasPrefix(body, "config ") || strings.Contains(body, "0h\n") { // mochi ticks each second
				continue
			}
			name = strings.TrimSuffix(filepath.Base(file), ".txt") + ": " + name
			if !yield(name, parseScript(body)) {
				return
			}
		}
	}
}

// allowAll lets every client do everything.
type allowAll struct{ mochi.HookBase }

func (*allowAll) ID() string { return "allow-all" }

func (*allowAll) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (*allowAll) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (*allowAll) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// playMochi plays steps against mochi and returns the first difference.
func playMochi(t *testing.T, steps []step) string {
	server := newMochi(t)
	p := &player{t: t, stage: &bubbleStage{t: t, server: server}, server: server, clients: make(map[string]*client)}
	for _, s := range steps {
		if s.line == "shutdown" {
			return ""
		}
		if strings.HasPrefix(s.line, "stats") {
			continue
		}
		if err := p.command(s.line); err != nil {
			return fmt.Sprintf("%s\n  mochi: %v\n", s.line, err)
		}
		synctest.Wait()
		got, want := normal(p.answers()), normal(s.wants)
		if slices.Equal(got, want) {
			continue
		}
		diff := s.line + "\n"
		for _, line := range want {
			diff += "  holdfast: " + line + "\n"
		}
		for _, line := range got {
			diff += "  mochi:    " + line + "\n"
		}
		return diff
	}
	return ""
}

var (
	limitsInConnAck = regexp.MustCompile(`(CONNACK [0-9a-f]+)( present)?.*`)
	noSubscribers   = regexp.MustCompile(`(PUBACK|PUBREC) (\d+) 10$`)
	packetID        = regexp.MustCompile(`(PUBLISH .*) id=\d+`)
	identifiers     = regexp.MustCompile(`( sid=\d+)+`)
)

// normal drops what may differ: limits in CONNACK, whether 0x10 is told, which
// Packet Identifiers a server chooses, in which order it gives Subscription
// Identifiers, and the order of answers and deliveries on a connection.
func normal(lines []string) (out []string) {
	for _, line := range lines {
		line = limitsInConnAck.ReplaceAllString(line, "$1$2")
		line = noSubscribers.ReplaceAllString(line, "$1 $2")
		line = packetID.ReplaceAllString(line, "$1")
		line = identifiers.ReplaceAllStringFunc(line, func(ids string) string {
			w := strings.Fields(ids)
			slices.Sort(w)
			return " " + strings.Join(w, " ")
		})
		out = append(out, line)
	}
	key := func(line string) string {
		client, rest, _ := strings.Cut(line, " < ")
		switch {
		case strings.HasPrefix(rest, "PUBLISH"):
			return client + "1"
		case rest == "EOF":
			return client + "2"
		}
		return client + "0"
	}
	slices.SortStableFunc(out, func(a, b string) int { return strings.Compare(key(a), key(b)) })
	return out
}
