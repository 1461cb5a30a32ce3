package config

import (
	"fmt"
	"reflect"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// AddFlags defines the settings that are flags, and --config, on fs. Their defaults there are what
// [Default] has.
func AddFlags(fs *pflag.FlagSet) {
	fs.String("config", "", "read settings from this YAML `file` (see docs/configuration.md)")
	for _, s := range settings(Default()) {
		if s.usage == "" {
			continue
		}
		switch v := s.value.Interface().(type) {
		case string:
			fs.String(s.flag(), v, s.usage)
		case bool:
			fs.Bool(s.flag(), v, s.usage)
		case []string:
			fs.StringArray(s.flag(), v, s.usage)
		case Subscriptions:
			fs.StringArray(s.flag(), v, s.usage)
		default:
			panic(fmt.Sprintf("config: flag for a %v is not implemented", s.value.Type()))
		}
	}
}

// Load returns the configuration in effect: the defaults, changed by the file that --config or
// HOLDFAST_CONFIG names, changed by environ (as [os.Environ] gives it), changed by the flags of fs that
// were given. fs has been through [AddFlags] and parsed. The result is valid; otherwise the error holds
// every fault that could be found, joined.
func Load(fs *pflag.FlagSet, environ []string) (*Config, error) {
	c := Default()
	path, err := fs.GetString("config")
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = lookupEnv(environ, FileEnv)
	}
	if path != "" {
		if err := decodeFile(c, path); err != nil {
			return nil, err
		}
	}
	if err := applyEnv(c, environ); err != nil {
		return nil, err
	}
	if err := applyFlags(c, fs); err != nil {
		return nil, err
	}
	return c, c.Validate()
}

func applyFlags(c *Config, fs *pflag.FlagSet) error {
	for _, s := range settings(c) {
		if s.usage == "" || !fs.Changed(s.flag()) {
			continue
		}
		if s.value.Kind() == reflect.Slice {
			list, err := fs.GetStringArray(s.flag())
			if err != nil {
				return err
			}
			s.value.Set(reflect.ValueOf(list).Convert(s.value.Type()))
			continue
		}
		if err := s.set(fs.Lookup(s.flag()).Value.String()); err != nil {
			return fmt.Errorf("--%s: %w", s.flag(), err)
		}
	}
	return nil
}

// Format writes c as a YAML file that [ReadFile] reads back to the same values.
func (c *Config) Format() ([]byte, error) { return yaml.Marshal(c) }
