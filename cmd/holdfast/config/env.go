package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const envPrefix = "HOLDFAST_"

// FileEnv is the environment variable that names the configuration file when --config is not given.
const FileEnv = envPrefix + "CONFIG"

// applyEnv sets what the variables of environ (each KEY=VALUE) say. All faults are returned at once.
// A variable with our prefix that no setting has is a fault: it is a misspelled one far more often than
// somebody else's.
func applyEnv(c *Config, environ []string) error {
	var faults []error
	all := settings(c)
	names := []string{FileEnv}
	for _, s := range all {
		names = append(names, s.env())
	}
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(key, envPrefix) || key == FileEnv {
			continue
		}
		i := slices.IndexFunc(all, func(s setting) bool { return s.env() == key })
		if i < 0 {
			faults = append(faults, fmt.Errorf("environment: unknown variable %s%s", key, didYouMean(key, names)))
			continue
		}
		if err := all[i].set(value); err != nil {
			faults = append(faults, fmt.Errorf("environment: %s: %w", key, err))
		}
	}
	return errors.Join(faults...)
}

// lookupEnv returns the last value of key in environ, as [os.Environ] gives it.
func lookupEnv(environ []string, key string) string {
	for _, kv := range slices.Backward(environ) {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}
