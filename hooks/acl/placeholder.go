package acl

import (
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// field is what a placeholder stands for.
type field uint8

const (
	fieldClient field = iota + 1
	fieldUser
	fieldApp
)

func fieldOf(letter byte) (field, bool) {
	switch letter {
	case 'c':
		return fieldClient, true
	case 'u':
		return fieldUser, true
	case 'a':
		return fieldApp, true
	}
	return 0, false
}

func (f field) value(a *broker.Access) string {
	switch f {
	case fieldClient:
		return a.ClientID
	case fieldUser:
		return a.User
	}
	return a.App
}

// reserved are first levels that mean something to the broker.
var reserved = []string{"inbox", "group", "broadcast"}

// fit tells how well a client's names fill a pattern's placeholders in.
type fit uint8

const (
	fits    fit = iota // they are levels, or parts of them
	absent             // one is empty
	hostile            // one would choose topics
)

// fitOf returns how the names of a client fit, and the first level that they do not.
func (p pattern) fitOf(a *broker.Access) (f fit, at int) {
	for i := range p {
		l := &p[i]
		if l.kind != template {
			continue
		}
		for j := range l.parts {
			if l.parts[j].field == 0 {
				continue
			}
			v := l.parts[j].field.value(a)
			switch {
			case v == "":
				return absent, i
			case f == fits && (holdsSpecial(v) || i == 0 && j == 0 && v[0] == '$'):
				f, at = hostile, i
			}
		}
		if f == fits && i == 0 && l.isReserved(a) {
			f, at = hostile, i
		}
	}
	return f, at
}

// isReserved tells whether a template has become a level that means something to the broker.
func (l *level) isReserved(a *broker.Access) bool {
	for _, word := range reserved {
		if l.is(word, a) {
			return true
		}
	}
	return false
}

// holdsSpecial tells whether a name holds a character that a level must not.
func holdsSpecial(name string) bool {
	return strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, '+') >= 0 || strings.IndexByte(name, '#') >= 0
}
