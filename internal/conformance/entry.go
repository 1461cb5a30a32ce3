package conformance

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"unicode"
)

// entry is an element of a table, that is of a composite literal.
type entry struct {
	table    ast.Node
	from, to token.Pos
	name     string
	isNamed  bool
}

// maxEntryName bounds the names of entries in the report, in bytes.
const maxEntryName = 80

// entries finds the elements of all tables, outer ones first.
func (p *testPackage) entries(f *ast.File) (all []entry) {
	ast.Inspect(f, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, e := range table.Elts {
			name, ok := entryName(e)
			if _, isTable := e.(*ast.CompositeLit); ok || isTable {
				all = append(all, entry{table, e.Pos(), e.End(), name, ok})
			}
		}
		return true
	})
	return all
}

// entryName is the name of a table's element: its key, its field "name", or its
// first field, if that is a string.
func entryName(e ast.Expr) (string, bool) {
	if kv, ok := e.(*ast.KeyValueExpr); ok {
		if name, ok := literal(kv.Key); ok {
			return name, true
		}
		e = kv.Value
	}
	fields, ok := e.(*ast.CompositeLit)
	if !ok || len(fields.Elts) == 0 {
		return "", false
	}
	first := fields.Elts[0]
	if kv, ok := first.(*ast.KeyValueExpr); ok {
		if id, ok := kv.Key.(*ast.Ident); !ok || id.Name != "name" {
			return "", false
		}
		first = kv.Value
	}
	return literal(first)
}

// literal is the text of a string, or of those literals that are joined to it.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		}
	case *ast.BinaryExpr:
		x, ok1 := literal(e.X)
		y, ok2 := literal(e.Y)
		return x + y, ok1 || ok2
	}
	return "", false
}

// entryOf is the name of the entry that a citation belongs to: the innermost one
// on its lines or, for a comment on lines of its own, the one that follows in
// the same table. It is "" if there is none.
func (p *testPackage) entryOf(entries []entry, from, to token.Pos) string {
	line := func(pos token.Pos) int { return p.fset.Position(pos).Line }
	var within, after *entry
	beside := false // an entry, maybe without a name
	for i := range entries {
		e := &entries[i]
		switch {
		case line(e.from) <= line(from) && line(to) <= line(e.to):
			beside = beside || line(e.to) == line(to)
			if e.isNamed {
				within = e
			}
		case e.isNamed && line(e.from) > line(to) && e.table.Pos() < from && to < e.table.End():
			if after == nil || e.table.Pos() > after.table.Pos() {
				after = e
			}
		}
	}
	e := within
	if after != nil && !beside && (within == nil || after.table.Pos() > within.table.Pos()) {
		e = after
	}
	if e == nil {
		return ""
	}
	return display(uncited(e.name))
}

// display makes a name fit for a line of text.
func display(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	if len(name) > maxEntryName {
		name = strings.ToValidUTF8(name[:maxEntryName], "") + "…"
	}
	return name
}
