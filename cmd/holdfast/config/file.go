package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ReadFile returns the defaults changed by the YAML file at path. An empty file changes nothing.
// Every unknown key and every value of the wrong type is reported, with file and line. The result has
// not been validated.
func ReadFile(path string) (*Config, error) {
	c := Default()
	if err := decodeFile(c, path); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeFile changes c, a pointer to a struct, by the YAML file at path.
func decodeFile(c any, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return atLine(path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document", path)
	}
	// A look at the keys of our own: the decoder's message names a Go type, not a section and a hint.
	var faults []error
	if len(doc.Content) > 0 {
		faults = unknownKeys(path, "", doc.Content[0], reflect.TypeOf(c).Elem())
	}
	if err := doc.Decode(c); err != nil {
		te, ok := errors.AsType[*yaml.TypeError](err)
		if !ok {
			return atLine(path, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		for _, msg := range te.Errors {
			faults = append(faults, atLine(path, msg+wanted(msg)))
		}
	}
	return errors.Join(faults...)
}

// wanted says how a value is written that is of another type, by the Go type that the decoder's message ends with.
func wanted(msg string) string {
	goType := msg[strings.LastIndexByte(msg, ' ')+1:]
	switch {
	case goType == "time.Duration":
		return ": write a duration with its unit, as in 30s, 5m or 24h"
	case goType == "bool":
		return ": write true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return ": write a whole number"
	case strings.HasPrefix(goType, "[]"):
		return ": write a list, as in [a, b]"
	case strings.HasPrefix(goType, "config."), strings.HasPrefix(goType, "map["):
		return ": write its keys below it, indented"
	}
	return ""
}

// atLine turns the decoder's "line 3: message" into "file:3: message".
func atLine(path, msg string) error {
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if line, text, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s:%s: %s", path, line, strings.ReplaceAll(text, "!!", ""))
		}
	}
	return fmt.Errorf("%s: %s", path, msg)
}

// unknownKeys reports the keys of node that t, a struct, has no field for.
func unknownKeys(path, section string, node *yaml.Node, t reflect.Type) []error {
	if node.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil // the decoder reports it
	}
	var names []string
	types := make(map[string]reflect.Type)
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		names = append(names, name)
		types[name] = field.Type
	}
	var faults []error
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		ft, ok := types[key.Value]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%s:%d: unknown key %q%s", path, key.Line, section+key.Value, hintAtKey(section, key.Value, names)))
		case ft.Kind() == reflect.Struct:
			faults = append(faults, unknownKeys(path, section+key.Value+".", node.Content[i+1], ft)...)
		case ft.Kind() == reflect.Map:
			entries := node.Content[i+1].Content
			for j := 0; j+1 < len(entries); j += 2 {
				faults = append(faults, unknownKeys(path, section+key.Value+"."+entries[j].Value+".", entries[j+1], ft.Elem())...)
			}
		}
	}
	return faults
}
