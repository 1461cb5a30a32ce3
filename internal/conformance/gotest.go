package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// GoCitations returns the citations of a package's test files, given by name
// and text. A citation belongs to the test function that it stands in or above.
// One in a helper, or in a table outside of functions, belongs to the first test
// that uses it. One that belongs to no test is an error.
func GoCitations(files map[string]string) ([]Citation, error) {
	p := &testPackage{fset: token.NewFileSet()}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	parsed := make(map[string]*ast.File)
	for _, name := range names {
		f, err := parser.ParseFile(p.fset, name, files[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed[name] = f
		p.add(f)
	}
	var all []Citation
	for _, name := range names {
		found, err := p.citations(name, parsed[name])
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// testPackage is the test files of a package.
type testPackage struct {
	fset  *token.FileSet
	decls []declaration
}

// declaration is a function, or a group of variables, constants or types.
type declaration struct {
	node  ast.Node
	from  token.Pos       // its documentation included
	names []string        // what it declares
	uses  map[string]bool // identifiers that occur in it
}

// testKinds begin the names of tests, the better proof first.
var testKinds = []string{"Test", "Fuzz"}

// test is the name of the function that d is, "" if it is none.
func (d *declaration) test() string {
	if f, ok := d.node.(*ast.FuncDecl); ok && f.Recv == nil {
		return f.Name.Name
	}
	return ""
}

func (p *testPackage) add(f *ast.File) {
	for _, node := range f.Decls {
		d := declaration{node: node, from: node.Pos(), uses: make(map[string]bool)}
		var doc *ast.CommentGroup
		switch n := node.(type) {
		case *ast.FuncDecl:
			doc = n.Doc
			d.names = []string{n.Name.Name}
		case *ast.GenDecl:
			doc = n.Doc
			for _, s := range n.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						d.names = append(d.names, name.Name)
					}
				case *ast.TypeSpec:
					d.names = append(d.names, s.Name.Name)
				}
			}
		}
		if doc != nil {
			d.from = doc.Pos()
		}
		ast.Inspect(node, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				d.uses[id.Name] = true
			}
			return true
		})
		p.decls = append(p.decls, d)
	}
}

// testOf is the test that pos belongs to, "" if there is none.
func (p *testPackage) testOf(pos token.Pos) string {
	at := p.fset.Position(pos)
	var wave []*declaration
	for i := range p.decls {
		d := &p.decls[i]
		end := p.fset.Position(d.node.End())
		if d.from <= pos && at.Filename == end.Filename && at.Line <= end.Line { // a comment behind it included
			wave = append(wave, d)
		}
	}
	seen := make(map[*declaration]bool)
	for len(wave) > 0 {
		for _, kind := range testKinds {
			for _, d := range wave {
				if name := d.test(); strings.HasPrefix(name, kind) {
					return name
				}
			}
		}
		var next []*declaration
		for _, d := range wave {
			seen[d] = true
			for i := range p.decls {
				user := &p.decls[i]
				if !seen[user] && slices.ContainsFunc(d.names, func(name string) bool { return user.uses[name] }) {
					next = append(next, user)
				}
			}
		}
		wave = next
	}
	return ""
}

func (p *testPackage) citations(name string, f *ast.File) (all []Citation, err error) {
	entries := p.entries(f)
	record := func(text string, from, to token.Pos) {
		for _, c := range citations(text) {
			c.File, c.Test = name, p.testOf(from)
			if c.Test == "" && err == nil {
				err = fmt.Errorf("%v: %s is cited outside of any test", p.fset.Position(from), c.Label)
			}
			if e := p.entryOf(entries, from, to); e != "" {
				c.Test += ": " + e
			}
			all = append(all, c)
		}
	}
	for _, g := range f.Comments {
		record(g.Text(), g.Pos(), g.End())
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				record(text, lit.Pos(), lit.End())
			}
		}
		return true
	})
	return all, err
}
