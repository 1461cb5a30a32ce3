package conformance

import (
	"regexp"
	"strconv"
	"strings"
)

// Citation is a place where a test claims to prove a statement.
type Citation struct {
	Version Version
	Label   string // without brackets
	File    string // from the repository's root, with slashes
	Test    string // test function or script, with the table's entry after ": "
}

const labelPattern = `\[MQTT-\d[\d.-]*\]`

var (
	label1 = regexp.MustCompile(`^` + labelPattern + `$`)
	labels = regexp.MustCompile(`( to )?` + labelPattern)
	// A version holds for the labels that follow it in one list.
	cited = regexp.MustCompile(`\b(v3\.1\.1|v5) (` + labelPattern + `(?:(?:,| and| to)? ` + labelPattern + `)*)`)
	space = regexp.MustCompile(`\s+`)
)

// citations returns what text cites; where is not filled in.
func citations(text string) (all []Citation) {
	text = space.ReplaceAllString(text, " ")
	for _, list := range cited.FindAllStringSubmatch(text, -1) {
		last := ""
		for _, l := range labels.FindAllString(list[2], -1) {
			l, isEnd := strings.CutPrefix(l, " to ")
			l = l[1 : len(l)-1]
			if isEnd {
				for _, between := range interval(last, l) {
					all = append(all, Citation{Version: Version(list[1]), Label: between})
				}
			}
			all = append(all, Citation{Version: Version(list[1]), Label: l})
			last = l
		}
	}
	return all
}

// interval returns the labels between two of one section. Labels of different
// sections have none.
func interval(first, last string) (between []string) {
	i := strings.LastIndexByte(first, '-') + 1
	from, err1 := strconv.Atoi(first[i:])
	if i > len(last) || last[:i] != first[:i] {
		return nil
	}
	to, err2 := strconv.Atoi(last[i:])
	if err1 != nil || err2 != nil {
		return nil
	}
	for n := from + 1; n < to; n++ {
		between = append(between, first[:i]+strconv.Itoa(n))
	}
	return between
}

// uncited is text without its citations, for the name of a test.
func uncited(text string) string {
	text = cited.ReplaceAllString(space.ReplaceAllString(text, " "), "")
	return strings.TrimRight(strings.TrimSpace(text), " ,;:")
}
