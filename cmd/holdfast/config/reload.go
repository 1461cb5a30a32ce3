package config

import (
	"reflect"
	"slices"
)

// Reloaded is what of a configuration that has been read again may be put into force while a node runs.
type Reloaded struct {
	// Config is the configuration that the node is to go on with: its own with limits and apps of the one read.
	Config *Config
	// Changed are the settings that have got other values in Config, by name.
	Changed []string
	// Restart are those that are other in the one read, and stay as they were until the node is started again.
	Restart []string
}

// Reload compares c, in force, with next, which is valid. The error is [Config.Validate]'s about what would become of
// both.
func (c *Config) Reload(next *Config) (Reloaded, error) {
	merged := *c
	merged.Limits, merged.Apps = next.Limits, next.Apps
	merged.Limits.AllowFile, merged.Limits.DenyFile = c.Limits.AllowFile, c.Limits.DenyFile // which are watched
	return Reloaded{Config: &merged, Changed: differing(c, &merged), Restart: differing(&merged, next)}, merged.Validate()
}

// differing are the settings that a and b have different values for.
func differing(a, b *Config) (names []string) {
	other := settings(b)
	for i, s := range settings(a) {
		x, y := s.value.Interface(), other[i].value.Interface()
		if !reflect.DeepEqual(x, y) && !bothEmpty(s.value, other[i].value) {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return names
}

// bothEmpty tells whether both are lists or maps without anything in them; one may be nil.
func bothEmpty(a, b reflect.Value) bool {
	k := a.Kind()
	return (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0
}
