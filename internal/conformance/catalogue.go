package conformance

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Version is a version of MQTT as citations name it.
type Version string

// The versions that have numbered statements.
const (
	V311 Version = "v3.1.1"
	V5   Version = "v5"
)

// Versions are all versions, in the order of the report.
var Versions = []Version{V5, V311}

// Binds says who must do what a statement asks.
type Binds string

// A statement binds servers, clients or both.
const (
	BindsServer Binds = "server"
	BindsClient Binds = "client"
	BindsBoth   Binds = "both"
)

// Statement is a normative statement.
type Statement struct {
	Label    string // as printed, without brackets
	Binds    Binds
	Subject  string // in our own words
	Declined string // why it is not implemented; empty if it is
	Chapter  string
}

// Owed tells whether a test must prove the statement: it binds servers, and we
// implement it.
func (s *Statement) Owed() bool { return s.Binds != BindsClient && s.Declined == "" }

// Catalogue has all statements of a version.
type Catalogue struct {
	Version    Version
	Statements []Statement // in the order of the standard
	byLabel    map[string]*Statement
}

// Find returns the statement with a label, nil if there is none.
func (c *Catalogue) Find(label string) *Statement { return c.byLabel[label] }

const (
	chapterMark  = "## "
	declinedMark = " | declined: "
)

// ReadCatalogue reads the catalogue of a version. Its lines are comments (#),
// "## chapter, count" and "label binds subject[ | declined: reason]". An error
// names the line; a chapter with another number of statements than it says, a
// label twice and words it does not know are errors.
func ReadCatalogue(v Version, r io.Reader) (*Catalogue, error) {
	c := &Catalogue{Version: v}
	chapter, left := "", 0
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		var err error
		switch {
		case strings.HasPrefix(line, chapterMark):
			if left != 0 {
				err = fmt.Errorf("chapter %q has %d statements fewer than it says", chapter, left)
				break
			}
			chapter, left, err = parseChapter(line)
		case line == "" || line[0] == '#':
		default:
			var s Statement
			if s, err = parseStatement(line); err == nil {
				s.Chapter = chapter
				c.Statements = append(c.Statements, s)
				left--
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", v, n, err)
		}
	}
	if left != 0 {
		return nil, fmt.Errorf("%s: chapter %q has %d statements fewer than it says", v, chapter, left)
	}
	c.byLabel = make(map[string]*Statement, len(c.Statements))
	for i := range c.Statements {
		s := &c.Statements[i]
		if c.byLabel[s.Label] != nil {
			return nil, fmt.Errorf("%s: %s is listed twice", v, s.Label)
		}
		c.byLabel[s.Label] = s
	}
	return c, lines.Err()
}

func parseChapter(line string) (name string, count int, err error) {
	i := strings.LastIndex(line, ", ")
	if i < len(chapterMark) {
		return "", 0, fmt.Errorf("chapter %q has no count", line)
	}
	count, err = strconv.Atoi(line[i+2:])
	return line[len(chapterMark):i], count, err
}

func parseStatement(line string) (Statement, error) {
	label, rest, _ := strings.Cut(line, " ")
	binds, rest, _ := strings.Cut(rest, " ")
	subject, declined, isDeclined := strings.Cut(rest, declinedMark)
	s := Statement{Label: label, Binds: Binds(binds), Subject: subject, Declined: declined}
	switch {
	case !label1.MatchString("[" + label + "]"):
		return s, fmt.Errorf("%q is no label", label)
	case s.Binds != BindsServer && s.Binds != BindsClient && s.Binds != BindsBoth:
		return s, fmt.Errorf("%s binds %q, want server, client or both", label, binds)
	case subject == "" || isDeclined && declined == "":
		return s, fmt.Errorf("%s lacks its subject or the reason why it is declined", label)
	}
	return s, nil
}
