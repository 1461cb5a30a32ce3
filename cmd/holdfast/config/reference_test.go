package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const referencePage = "../../../docs/configuration.md"

func TestReferenceIsCurrent(t *testing.T) {
	want := reference(t)
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/configuration.md is not what the comments in config.go say: run 'make generate'")
	}
}

// reference makes the page from the comments and the defaults of Config's fields.
func reference(t *testing.T) string {
	t.Helper()
	docs := fieldComments(t, "config.go")
	var b strings.Builder
	b.WriteString(`<!-- Generated from cmd/holdfast/config/config.go by 'make generate'; do not edit. -->

# Configuration

A setting can be given in four places. The first one that has it wins:

1. a flag of ` + "`holdfast serve`" + `,
2. an environment variable,
3. the YAML file named by ` + "`--config` or `HOLDFAST_CONFIG`" + `,
4. the default.

Unknown flags, unknown variables that begin with ` + "`HOLDFAST_`" + ` and unknown keys of the file are errors: a
misspelled limit must not silently be no limit. (Kubernetes adds such variables to its containers for a
service named ` + "`holdfast`; set `enableServiceLinks: false`" + ` there.) ` + "`holdfast config check FILE`" + ` checks a file
and ` + "`holdfast config show`" + ` prints what is in effect.

Durations are written with a unit, as in ` + "`30s`, `5m` or `24h`" + `; sizes as a number of bytes or with ` + "`KiB`, `MiB` or `GiB`" + `.
`)
	for _, s := range settings(Default()) {
		comment, ok := docs[s.name]
		if !ok {
			t.Errorf("%s: got no doc comment in config.go", s.name)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| default | flag | environment |\n|---|---|---|\n", s.name, comment)
		flagName := "–"
		if s.usage != "" {
			flagName = "`--" + s.flag() + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |\n", defaultText(s), flagName, s.env())
	}
	return b.String()
}

func defaultText(s setting) string {
	if s.value.Kind() == reflect.Map && s.value.Len() == 0 {
		return "none"
	}
	if s.value.Kind() == reflect.Slice {
		if s.value.Len() == 0 {
			return "none"
		}
		return strings.Join(s.value.Convert(reflect.TypeFor[[]string]()).Interface().([]string), ",")
	}
	return fmt.Sprint(s.value.Interface())
}

// fieldComments returns the doc comments of the fields of the structs in file, by YAML path. The Go name
// at a comment's beginning becomes the setting's.
func fieldComments(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	prefix := map[string]string{"Config": "", "Broker": "broker.", "Storage": "storage.", "TLS": "tls.", "Auth": "auth.", "Limits": "limits.", "Overload": "overload."}
	docs := make(map[string]string)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range st.Fields.List {
			key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml")
			text, ok := strings.CutPrefix(strings.TrimSpace(f.Doc.Text()), f.Names[0].Name)
			if !ok {
				t.Errorf("%s: the comment does not begin with the field's name", f.Names[0].Name)
			}
			docs[prefix[spec.Name.Name]+key] = "`" + key + "`" + text
		}
		return false
	})
	return docs
}
