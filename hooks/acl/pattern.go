package acl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

var (
	errShared      = errors.New("a Shared Subscription is judged by the filter behind its ShareName: leave $share/ out")
	errAddress     = errors.New("no address or CIDR")
	errPlaceholder = errors.New("unknown placeholder: a percent sign is written %%, the rest are %c, %u and %a")
)

// kind is what a level of a pattern may stand for.
type kind uint8

const (
	literal  kind = iota // itself
	plus                 // any one level
	hash                 // the parent level and all below
	template             // a text with placeholders, one level
)

// level is one level of a pattern.
type level struct {
	kind  kind
	text  string // of a literal
	parts []part // of a template
}

// part is a piece of a template: a placeholder, or text.
type part struct {
	field field
	text  string // if field is 0
}

// pattern is a Topic Filter that may hold placeholders, cut into levels. It does not change once it is made.
type pattern []level

// parsePattern compiles a Topic Filter.
func parsePattern(filter string) (pattern, error) {
	if strings.HasPrefix(filter, "$share/") {
		return nil, errShared
	}
	var p pattern
	sample := make([]string, 0, 8) // the filter for a client whose names are "x"
	for text := range strings.SplitSeq(filter, "/") {
		l, err := parseLevel(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", filter, err)
		}
		p = append(p, l)
		sample = append(sample, l.sample())
	}
	if err := topic.ValidateFilter(strings.Join(sample, "/")); err != nil {
		return nil, fmt.Errorf("%q: %w", filter, err)
	}
	return p, nil
}

func parseLevel(text string) (level, error) {
	switch text {
	case "+":
		return level{kind: plus}, nil
	case "#":
		return level{kind: hash}, nil
	}
	var parts []part
	hasField := false
	for text != "" {
		before, after, found := strings.Cut(text, "%")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			break
		}
		if after == "" {
			return level{}, errPlaceholder
		}
		if after[0] == '%' {
			parts = append(parts, part{text: "%"})
		} else {
			f, ok := fieldOf(after[0])
			if !ok {
				return level{}, errPlaceholder
			}
			parts = append(parts, part{field: f})
			hasField = true
		}
		text = after[1:]
	}
	if hasField {
		return level{kind: template, parts: parts}, nil
	}
	l := level{kind: literal}
	for _, p := range parts {
		l.text += p.text
	}
	return l, nil
}

// sample is the level as text, for a client whose names are all "x".
func (l *level) sample() string {
	switch l.kind {
	case plus:
		return "+"
	case hash:
		return "#"
	case literal:
		return l.text
	}
	var b strings.Builder
	for _, p := range l.parts {
		if p.field != 0 {
			b.WriteByte('x')
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// is tells whether the level, which is no wildcard, stands for the text s.
func (l *level) is(s string, a *broker.Access) bool {
	if l.kind == literal {
		return l.text == s
	}
	for i := range l.parts {
		p := &l.parts[i]
		text := p.text
		if p.field != 0 {
			text = p.field.value(a)
		}
		if !strings.HasPrefix(s, text) {
			return false
		}
		s = s[len(text):]
	}
	return s == ""
}

// hidden tells whether the level, the first of its filter, begins with '$', so that a wildcard in its place does not reach it.
func (l *level) hidden() bool {
	text := l.text
	if l.kind == template {
		text = l.parts[0].text
	}
	return strings.HasPrefix(text, "$")
}

func (l *level) isWildcard() bool { return l.kind == plus || l.kind == hash }
