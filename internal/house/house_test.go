// Package house holds the rules of this code base that no linter knows, as tests.
package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root         = "../.."
	module       = "github.com/holdfast-mqtt/holdfast/"
	maxFileLines = 800
	maxMainLines = 60
)

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File
}

func (s source) dir() string  { return filepath.ToSlash(filepath.Dir(s.path)) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s source) lines() int   { return bytes.Count(s.text, []byte("\n")) }
func (s source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		out = append(out, path)
	}
	return out
}

var fset = token.NewFileSet()

// sources reads every Go file below the root, except what is hidden or a test's data.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, ".") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, source{path: filepath.ToSlash(rel), text: text, ast: file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("got %d Go files, want the whole repository", len(out))
	}
	return out
}

// Every package has exactly one package comment: none leaves the reader alone, two contradict.
func TestPackageComments(t *testing.T) {
	comments := make(map[string][]string) // by directory, or by file for a package of tests only
	for _, s := range sources(t) {
		// A directory's tests belong to its package, external ones (package x_test) as well.
		if _, ok := comments[s.dir()]; !ok {
			comments[s.dir()] = nil
		}
		if s.ast.Doc != nil {
			comments[s.dir()] = append(comments[s.dir()], s.path)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s: got %d package comments %v, want 1", dir, len(files), files)
		}
	}
}

// forbidden says which imports are refused below which folder, and why. A path that begins with the
// module's stands for everything below it.
var forbidden = []struct {
	below   []string
	imports []string
	except  []string // of imports
	why     string
}{
	{
		below: []string{"broker/topic", "broker/mqtt/packet", "bridge/miop/packet", "bridge/ximp/packet"},
		imports: []string{"net", "time", "log", "log/slog", module + "broker", module + "storage", module + "hooks",
			module + "center", module + "cluster", module + "bridge", module + "cmd"},
		why: "a codec and an index are pure: no clock, no socket, no log, no sibling",
	},
	{
		below: []string{"broker"},
		imports: []string{module + "storage", module + "hooks", module + "cluster", module + "center", module + "coordinator",
			module + "dispatcher", module + "bridge", module + "cmd", module + "bench"},
		why: "arrows point down: these use the broker, not the other way round",
	},
	{
		below:   []string{"broker/netloop"},
		imports: []string{module},
		why:     "the loops move bytes and know nobody",
	},
	{
		below:   []string{"broker/login"},
		imports: []string{module + "broker/mqtt", module + "broker/topic"},
		why:     "the fronts share it: it knows none of them",
	},
	{below: []string{"storage"}, imports: []string{module + "hooks", module + "bridge", module + "center", module + "cmd"}, why: "cmd wires"},
	{below: []string{"hooks"}, imports: []string{module + "storage", module + "bridge", module + "center", module + "cmd"}, why: "cmd wires"},
	{
		below:   []string{"bridge"},
		imports: []string{module + "broker/mqtt", module + "storage", module + "hooks", module + "center", module + "cmd"},
		except:  []string{module + "broker/mqtt/packet"}, // it has the wire form of a message's properties
		why:     "cmd wires; what fronts share is beside them, in broker/login",
	},
	{below: []string{"center"}, imports: []string{module + "storage", module + "hooks", module + "bridge", module + "cmd"}, why: "cmd wires"},
	{below: []string{"bench"}, imports: []string{module + "cmd", module + "center", module + "storage", module + "hooks"}, why: "cmd wires"},
}

// roomForbids is what the package broker itself must not know: its fronts and its loops.
var roomForbids = []string{module + "broker/mqtt", module + "broker/login", module + "broker/netloop"}

func isBelow(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

func TestForbiddenImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, imported := range s.imports() {
			for _, rule := range forbidden {
				if !slices.ContainsFunc(rule.below, func(b string) bool { return isBelow(s.dir(), b) }) {
					continue
				}
				refused := slices.ContainsFunc(rule.imports, func(i string) bool { return isBelow(imported, i) })
				own := strings.HasPrefix(imported, module) && isBelow(strings.TrimPrefix(imported, module), s.dir())
				if refused && !own && imported != "net/netip" && !slices.Contains(rule.except, imported) {
					t.Errorf("%s: imports %s: %s", s.path, imported, rule.why)
				}
			}
			if s.dir() == "broker" && slices.ContainsFunc(roomForbids, func(i string) bool { return isBelow(imported, i) }) {
				t.Errorf("%s: imports %s: the broker knows no protocol and no socket", s.path, imported)
			}
		}
	}
}

func TestFileLengths(t *testing.T) {
	for _, s := range sources(t) {
		limit := maxFileLines
		if filepath.Base(s.path) == "main.go" {
			limit = maxMainLines
		}
		if got := s.lines(); got > limit {
			t.Errorf("%s: got %d lines, want %d or fewer: look for the second concept", s.path, got, limit)
		}
	}
}

// forbiddenNames say nothing about what is inside.
var forbiddenNames = []string{"pkg", "util", "utils", "common", "types", "models", "helper", "helpers", "misc"}

func TestNames(t *testing.T) {
	for _, s := range sources(t) {
		base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(s.path), ".go"), "_test")
		parts := append(strings.Split(s.dir(), "/"), base, strings.TrimSuffix(s.ast.Name.Name, "_test"))
		for _, part := range parts {
			if slices.Contains(forbiddenNames, part) {
				t.Errorf("%s: %q is a name that says nothing", s.path, part)
			}
		}
	}
}

var (
	label = regexp.MustCompile(`\[MQTT-\d+(\.\d+)*-\d+\]`)
	// A version holds for the labels that follow it in one list.
	versionedLabels = regexp.MustCompile(`\b(v3\.1\.1|v5) ` + label.String() + `((,| and| to)? ` + label.String() + `)*`)
	lineBreak       = regexp.MustCompile(`\n\s*(//)?\s*`)
)

// The two specifications number their statements differently: a label without a version means two things.
func TestLabelsCarryVersion(t *testing.T) {
	for _, s := range sources(t) {
		text := lineBreak.ReplaceAll(s.text, []byte(" "))
		for _, bare := range label.FindAll(versionedLabels.ReplaceAll(text, nil), -1) {
			t.Errorf("%s: got %s without its version, want \"v3.1.1 [MQTT-…]\" or \"v5 [MQTT-…]\"", s.path, bare)
		}
	}
}

// Sleeping to synchronize makes tests slow and, on a loaded machine, wrong; inside a synctest bubble the
// clock is fake. A skipped test is one that nobody notices missing.
func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		fake := slices.Contains(s.imports(), "testing/synctest")
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch {
			case x.Name == "time" && sel.Sel.Name == "Sleep" && !fake:
				t.Errorf("%v: sleeps to synchronize", fset.Position(n.Pos()))
			case (x.Name == "t" || x.Name == "b" || x.Name == "f") && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name):
				t.Errorf("%v: skips a test", fset.Position(n.Pos()))
			}
			return true
		})
	}
}

var todo = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
var todoWithIssue = regexp.MustCompile(`TODO\(#\d+\)`)

func TestTodosNameTheirIssue(t *testing.T) {
	for _, s := range sources(t) {
		for _, group := range s.ast.Comments {
			for _, c := range group.List {
				if todo.MatchString(c.Text) && !todoWithIssue.MatchString(c.Text) {
					t.Errorf("%v: got %q, want TODO(#issue)", fset.Position(c.Pos()), c.Text)
				}
			}
		}
	}
}

// Everything a package exports is explained, except what everybody knows: String and Error methods.
func TestExportedSymbolsHaveComments(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.ast.Name.Name == "main" {
			continue
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				known := d.Recv != nil && (d.Name.Name == "String" || d.Name.Name == "Error")
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !known {
					t.Errorf("%v: %s has no doc comment", fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				checkSpecs(t, d)
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		exported = exported || ok && id.IsExported()
		return true
	})
	return exported
}

func checkSpecs(t *testing.T, d *ast.GenDecl) {
	t.Helper()
	for _, spec := range d.Specs {
		var names []*ast.Ident
		documented := d.Doc != nil
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names, documented = []*ast.Ident{spec.Name}, documented || spec.Doc != nil
		case *ast.ValueSpec:
			names, documented = spec.Names, documented || spec.Doc != nil || spec.Comment != nil
		}
		for _, n := range names {
			if n.IsExported() && !documented {
				t.Errorf("%v: %s has no doc comment", fset.Position(n.Pos()), n.Name)
			}
		}
	}
}

// Each key that is logged is explained to those who read the logs.
func TestLogKeysAreDocumented(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0}
	for _, s := range sources(t) {
		if s.isTest() || !slices.Contains(s.imports(), "log/slog") {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, ok := first[sel.Sel.Name]
			if !ok || len(call.Args) < from+2 {
				return true
			}
			for i := from; i < len(call.Args); i += 2 {
				lit, ok := call.Args[i].(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					continue
				}
				if key, _ := strconv.Unquote(lit.Value); !bytes.Contains(page, []byte("| `"+key+"` |")) {
					t.Errorf("%v: the log key %q has no row in docs/operations.md", fset.Position(lit.Pos()), key)
				}
			}
			return true
		})
	}
}

// A test that starts a broker names a data directory of its own, or memory: one that does not would leave data among
// the sources, and find there what another has left.
func TestNoDataAmongSources(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		if d.Name() == "holdfast-data" && filepath.Dir(path) != root {
			t.Errorf("%s: got a data directory, want none", path)
		}
		if d.Name() == "holdfast-data" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
