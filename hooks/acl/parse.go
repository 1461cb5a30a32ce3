package acl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// MaxSize is the greatest size of a file of rules, in bytes.
const MaxSize = 16 << 20

// ErrTooLarge means that a file of rules has more than MaxSize bytes.
var ErrTooLarge = errors.New("rules have more than 16 MiB")

// Parse reads rules, as the package's comment describes them, to the end of r. The error names every fault: it joins
// a *Fault for each, in the order of their lines. A file that is no YAML has one alone. A file without anything denies everything.
func Parse(r io.Reader) (*Rules, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read rules: %w", err)
	case len(data) > MaxSize:
		return nil, ErrTooLarge
	}
	doc, err := document(data)
	if err != nil {
		return nil, err
	}
	var f faults
	fallback := broker.Deny
	var list []rule
	if doc != nil {
		section(doc, &f, "the file", map[string]func(*yaml.Node){
			"default": func(n *yaml.Node) { fallback = decision(n, &f) },
			"rules":   func(n *yaml.Node) { list = parseRules(n, &f) },
		})
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return newRules(list, fallback), nil
}

// document returns the root of the only YAML document of data, nil if there is nothing in it.
func document(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxFault(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Fault{Line: doc.Line, Text: "more than one YAML document"}
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

// syntaxFault takes the line out of the YAML parser's text.
func syntaxFault(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, message, found := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil && found {
			return &Fault{Line: line, Text: message}
		}
	}
	return &Fault{Line: 1, Text: text}
}

// section hands the values of a mapping to those who know its keys.
func section(n *yaml.Node, f *faults, what string, keys map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		f.add(n.Line, "%s must be a mapping of keys to values", what)
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		use := keys[key.Value]
		switch {
		case use == nil || key.Kind != yaml.ScalarNode:
			f.add(key.Line, "unknown key %q", key.Value)
		case seen[key.Value]:
			f.add(key.Line, "%s is given twice", key.Value)
		case value.Kind == yaml.AliasNode:
			f.add(value.Line, "%s: aliases are not supported", key.Value)
		default:
			use(value)
		}
		seen[key.Value] = true
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func parseRules(n *yaml.Node, f *faults) []rule {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		f.add(n.Line, "rules must be a list")
		return nil
	}
	list := make([]rule, 0, len(n.Content))
	for _, item := range n.Content {
		list = append(list, parseRule(item, f))
	}
	return list
}
