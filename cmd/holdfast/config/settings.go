package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is one leaf of Config as the environment and the flags see it.
type setting struct {
	name  string // the YAML path: broker.max_inflight
	usage string // one line for --help; "" for a setting that is no flag
	value reflect.Value
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.name, ".", "_"))
}

func (s setting) flag() string {
	return strings.ReplaceAll(strings.ReplaceAll(s.name, "_", "-"), ".", "-")
}

// settings lists the leaves of c in the order of their fields. Setting a value changes c.
func settings(c *Config) []setting { return appendSettings(nil, "", reflect.ValueOf(c).Elem()) }

func appendSettings(out []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := prefix + field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			out = appendSettings(out, name+".", v.Field(i))
			continue
		}
		out = append(out, setting{name: name, usage: field.Tag.Get("usage"), value: v.Field(i)})
	}
	return out
}

// set reads text, which is what stands in the environment or was given to a flag.
func (s setting) set(text string) error {
	switch p := s.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]string:
		*p = splitList(text, s.name == "listen")
	case *Subscriptions:
		*p = splitSubscriptions(text)
	case *Apps:
		apps, err := parseApps(text)
		if err != nil {
			return err
		}
		*p = apps
	case *Size:
		size, err := ParseSize(text)
		if err != nil {
			return err
		}
		*p = size
	default:
		node := yaml.Node{Kind: yaml.ScalarNode, Value: text}
		// YAML's null would leave the value as it was: an empty variable is a mistake, not a default.
		if err := node.Decode(p); err != nil || node.ShortTag() == "!!null" {
			return fmt.Errorf("%q is not a %s", text, kindName(s.value.Type()))
		}
	}
	return nil
}

// splitList reads a list whose items are separated by commas or blanks. Options of a listener have commas too, as in
// protocols=mqtt,ximp: what follows one and does not begin with a scheme of listeners belongs to it.
func splitList(text string, listeners bool) []string {
	items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if !listeners {
		return items
	}
	urls := items[:0]
	for _, item := range items {
		scheme, _, isURL := strings.Cut(item, "://")
		last := len(urls) - 1
		if _, ok := schemes[scheme]; (!isURL || !ok) && last >= 0 && strings.Contains(urls[last], "?") {
			urls[last] += "," + item
			continue
		}
		urls = append(urls, item)
	}
	return urls
}

// kindName says in words what a setting of type t takes.
func kindName(t reflect.Type) string {
	switch t.String() {
	case "time.Duration":
		return "duration (as in 30s or 5m)"
	case "config.Size":
		return "size (as in 1MiB)"
	case "[]string":
		return "list"
	case "bool":
		return "boolean (true or false)"
	case "int":
		return "number"
	}
	return t.String()
}
