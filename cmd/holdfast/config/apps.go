package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/broker"
	"go.yaml.in/yaml/v3"
)

// Apps are the limits of Apps that have others than the rest, by name.
type Apps map[string]App

// App is what an App's limits are instead of what Limits and Broker say. nil is as there; 0 is no limit.
type App struct {
	MaxConnections    *int  `yaml:"max_connections,omitempty"`
	MaxSubscriptions  *int  `yaml:"max_subscriptions,omitempty"`
	MaxRetained       *int  `yaml:"max_retained,omitempty"`
	MaxQueuedMessages *int  `yaml:"max_queued_messages,omitempty"`
	MaxQueuedBytes    *Size `yaml:"max_queued_bytes,omitempty"`
	Messages          *int  `yaml:"messages,omitempty"`
	Bytes             *Size `yaml:"bytes,omitempty"`
	ClientMessages    *int  `yaml:"client_messages,omitempty"`
	ClientBytes       *Size `yaml:"client_bytes,omitempty"`
}

// AppLimits are the limits that an App has in the end. 0 is no limit.
type AppLimits struct {
	MaxConnections, MaxSubscriptions, MaxRetained int
	MaxQueuedMessages                             int
	MaxQueuedBytes                                Size
	Messages                                      int // a second
	Bytes                                         Size
	ClientMessages                                int
	ClientBytes                                   Size
}

// LimitsOf returns those of an App.
func (c *Config) LimitsOf(app string) AppLimits {
	l, a := &c.Limits, c.Apps[app]
	return AppLimits{
		MaxConnections:    or(a.MaxConnections, l.AppMaxConnections),
		MaxSubscriptions:  or(a.MaxSubscriptions, l.AppMaxSubscriptions),
		MaxRetained:       or(a.MaxRetained, c.Broker.MaxRetained),
		MaxQueuedMessages: or(a.MaxQueuedMessages, l.AppMaxQueuedMessages),
		MaxQueuedBytes:    or(a.MaxQueuedBytes, l.AppMaxQueuedBytes),
		Messages:          or(a.Messages, l.AppMessages),
		Bytes:             or(a.Bytes, l.AppBytes),
		ClientMessages:    or(a.ClientMessages, l.ClientMessages),
		ClientBytes:       or(a.ClientBytes, l.ClientBytes),
	}
}

func or[T any](own *T, other T) T {
	if own != nil {
		return *own
	}
	return other
}

func (apps Apps) check(f *faults, packet Size) {
	for _, name := range slices.Sorted(maps.Keys(apps)) {
		at, a := "apps."+name, apps[name]
		if err := checkApp(name); err != nil {
			f.add("apps", "%w", err)
		}
		for _, n := range []struct {
			key   string
			value *int
			most  int
		}{
			{"max_connections", a.MaxConnections, maxRetained}, {"max_subscriptions", a.MaxSubscriptions, maxRetained},
			{"max_queued_messages", a.MaxQueuedMessages, maxRetained},
			{"messages", a.Messages, maxRate}, {"client_messages", a.ClientMessages, maxRate},
		} {
			within(f, at+"."+n.key, or(n.value, 0), 0, n.most)
		}
		within(f, at+".max_retained", or(a.MaxRetained, 1), 1, maxRetained)
		within(f, at+".bytes", or(a.Bytes, 0), 0, maxRate)
		within(f, at+".client_bytes", or(a.ClientBytes, 0), 0, maxRate)
		checkQuota(f, at+".max_queued_bytes", or(a.MaxQueuedBytes, 0), packet)
	}
}

// checkQuota looks at a bound of what an App's Sessions keep. Unlike that of a Session, it holds for the first message too.
func checkQuota(f *faults, name string, quota, packet Size) {
	within(f, name, quota, 0, maxBytes)
	if least := packet + broker.MessageOverhead; quota != 0 && quota < least {
		f.add(name, "%v has no room for the largest message, broker.max_packet_size (%v) and %d B that each message counts for besides: write %v or more, or 0 for no limit",
			quota, packet, broker.MessageOverhead, least)
	}
}

// checkApp complains about what no App can be called: it is a level of Topic Names, a label of metrics and a field of files.
func checkApp(name string) error {
	odd := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune("/+#:", r)
	}
	if name == "" || len(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("app %q: a name of 1 to 64 bytes, without / + # : and spaces", name)
	}
	return nil
}

// parseApps reads Apps from one line of YAML, as in {meters: {max_connections: 100}}.
func parseApps(text string) (Apps, error) {
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	dec.KnownFields(true)
	apps := Apps{}
	if err := dec.Decode(&apps); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%q: %s: write {NAME: {max_connections: 100}}", text, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return apps, nil
}
