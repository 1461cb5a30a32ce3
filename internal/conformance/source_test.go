package conformance

import (
	"slices"
	"strings"
	"testing"
)

// withLabels puts a citation in for each L.
func withLabels(text string) string {
	return bare.Replace(strings.ReplaceAll(text, "L", "v5 [MQTT-1.5.4-1]"))
}

func tests(all []Citation) (names []string) {
	for _, c := range all {
		names = append(names, c.Test)
	}
	return names
}

func TestScriptCitations(t *testing.T) {
	for _, tt := range []struct {
		name string
		file string
		text string
		want []string
		err  string
	}{
		{"below the title", "a.txt", "# head\n\n== one\n# L\na ping\n\n== two\nconfig x=1\n# of L\n# all\n", []string{"one", "two"}, ""},
		{"a comment is read as a whole", "a.txt", "== one\n# L,\n# [M-1.5.4-2]", []string{"one", "one"}, ""},
		{"not what a client sends", "a.txt", "== one\na pub t L\n", nil, ""},
		{"in the head", "a.txt", "# L\n\n== one\n", nil, "a.txt: MQTT-1.5.4-1 is cited outside of any script"},
		{"no sections", "x/session.txtar", "# L\nexec holdfast\n", []string{"session"}, ""},
	} {
		got, err := ScriptCitations(tt.file, withLabels(tt.text))
		if !slices.Equal(tests(got), tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, tests(got), tt.want)
		}
		if message := errorText(err); message != tt.err {
			t.Errorf("%s: got error %q, want %q", tt.name, message, tt.err)
		}
	}
}

func TestGoCitations(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want []string
		err  string
	}{
		{"above and inside", "// TestA: L.\nfunc TestA() {\n\tf() // L\n}", []string{"TestA", "TestA"}, ""},
		{"in the name of an entry", `func TestA() { x := []s{{"first", 1}, {"second, L", 2}} }`, []string{"TestA: second"}, ""},
		{"beside an entry", "func TestA() {\n\tx := []s{\n\t\t{\"first\", 1}, // L\n\t\t{\"second\", 2},\n\t}\n}", []string{"TestA: first"}, ""},
		{"above an entry", "func TestA() {\n\tx := []s{\n\t\t{\"first\", 1},\n\t\t// L\n\t\t{\"second\", 2},\n\t}\n}", []string{"TestA: second"}, ""},
		{"a map's key and a field", "func TestA() {\n\tx := map[string]s{\n\t\t\"key\": {1}, // L\n\t}\n\ty := []s{\n\t\t{name: \"field\"}, // L\n\t}\n}",
			[]string{"TestA: key", "TestA: field"}, ""},
		{"a name that is joined", `func TestA() { x := []s{{typ.String() + " id 0 L", 1}} }`, []string{"TestA: id 0"}, ""},
		{"an unprintable name", "func TestA() {\n\tx := []s{\n\t\t{\"\", 1}, // L\n\t}\n}", []string{`TestA: ""`}, ""},
		{"beside an entry without a name", "func TestA() {\n\tx := []s{\n\t\t{f(), 1}, // L\n\t\t{\"second\", 2},\n\t}\n}", []string{"TestA"}, ""},
		{"tests before fuzz targets", "var table = 1 // L\n\nfunc FuzzA() { _ = table }\n\nfunc TestB() { _ = table }", []string{"TestB"}, ""},
		{"a table of its own", "var table = []s{\n\t{\"first\", 1}, // L\n}\n\nfunc help() { _ = table }\n\nfunc TestA() {}\n\nfunc FuzzB() { help() }",
			[]string{"FuzzB: first"}, ""},
		{"nobody's", "// help: L\nfunc help() {}", nil, "a_test.go:2:1: MQTT-1.5.4-1 is cited outside of any test"},
		{"broken", "func", nil, "a_test.go:2:6: expected 'IDENT', found 'EOF'"},
	} {
		got, err := GoCitations(map[string]string{"a_test.go": "package p\n" + withLabels(tt.text) + "\n"})
		if err == nil && !slices.Equal(tests(got), tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, tests(got), tt.want)
		}
		if message := errorText(err); message != tt.err {
			t.Errorf("%s: got error %q, want %q", tt.name, message, tt.err)
		}
	}
}

func TestReadCatalogue(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		err  string
	}{
		{"well-formed", "# head\n\n## one, 2\nMQTT-1.5.4-1 both This.\nMQTT-1.5.4-2 server That. | declined: why\n## two, 1\nMQTT-2-1 client Else.\n", ""},
		{"too few", "## one, 2\nMQTT-1.5.4-1 both This.\n## two, 0\n", `v5, line 3: chapter "one" has 1 statements fewer than it says`},
		{"too few at the end", "## one, 2\nMQTT-1.5.4-1 both This.\n", `v5: chapter "one" has 1 statements fewer than it says`},
		{"twice", "## one, 2\nMQTT-1.5.4-1 both This.\nMQTT-1.5.4-1 both That.\n", "v5: MQTT-1.5.4-1 is listed twice"},
		{"no label", "## one, 1\n1.5.4-1 both This.\n", `v5, line 2: "1.5.4-1" is no label`},
		{"binds nobody", "## one, 1\nMQTT-1.5.4-1 This.\n", `v5, line 2: MQTT-1.5.4-1 binds "This.", want server, client or both`},
		{"no subject", "## one, 1\nMQTT-1.5.4-1 both\n", "v5, line 2: MQTT-1.5.4-1 lacks its subject or the reason why it is declined"},
		{"no reason", "## one, 1\nMQTT-1.5.4-1 both This. | declined: \n", "v5, line 2: MQTT-1.5.4-1 lacks its subject or the reason why it is declined"},
		{"no count", "## one\n", `v5, line 1: chapter "## one" has no count`},
	} {
		_, err := ReadCatalogue(V5, strings.NewReader(tt.text))
		if got := errorText(err); got != tt.err {
			t.Errorf("%s: got error %q, want %q", tt.name, got, tt.err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
