package conformance

import (
	"fmt"
	"path"
	"strings"
)

// sectionMark begins a script in a file that holds several.
const sectionMark = "== "

// ScriptCitations returns the citations in the comments of a file of scripts.
// In a file without sections (txtar) the whole file is one script. A citation
// outside of a section proves nothing and is an error.
func ScriptCitations(file, text string) ([]Citation, error) {
	var all []Citation
	sections := strings.Contains("\n"+text, "\n"+sectionMark)
	title := ""
	if !sections {
		title = strings.TrimSuffix(path.Base(file), path.Ext(file))
	}
	comment := "" // the comment lines just read
	flush := func() error {
		found := citations(comment)
		comment = ""
		if len(found) > 0 && title == "" {
			return fmt.Errorf("%s: %s is cited outside of any script", file, found[0].Label)
		}
		for _, c := range found {
			c.File, c.Test = file, title
			all = append(all, c)
		}
		return nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if c, ok := strings.CutPrefix(line, "#"); ok {
			comment += c + "\n"
			continue
		}
		if err := flush(); err != nil {
			return nil, err
		}
		if t, ok := strings.CutPrefix(line, sectionMark); ok {
			title = t
		}
	}
	return all, flush()
}
