package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Folders below the repository's root.
const (
	catalogueFolder = "broker/mqtt/testdata/conformance/"
	scriptFolder    = "broker/mqtt/testdata/script"
	unprovenFile    = catalogueFolder + "unproven.txt"
)

// testFolders are searched, with what is below them, for tests that cite.
var testFolders = []string{"broker", "internal/system"}

// Survey is what the catalogues ask for and what the tests cite.
type Survey struct {
	Catalogues map[Version]*Catalogue
	// Unproven are the statements in unproven.txt, written "v5 MQTT-…".
	Unproven []string

	proofs map[Version]map[string][]Citation // by label
}

// Proofs are the citations of a statement, in the order of files and tests.
func (s *Survey) Proofs(v Version, label string) []Citation { return s.proofs[v][label] }

// Missing are the statements that bind a server, are implemented and have no
// test, written "v5 MQTT-…", in the order of the catalogues.
func (s *Survey) Missing() (all []string) {
	for _, v := range Versions {
		for _, st := range s.Catalogues[v].Statements {
			if st.Owed() && len(s.Proofs(v, st.Label)) == 0 {
				all = append(all, string(v)+" "+st.Label)
			}
		}
	}
	return all
}

// Load reads catalogues and tests of the repository whose root is fsys. All
// faults found in them are joined in the error.
func Load(fsys fs.FS) (*Survey, error) {
	s := &Survey{Catalogues: make(map[Version]*Catalogue), proofs: make(map[Version]map[string][]Citation)}
	for _, v := range Versions {
		f, err := fsys.Open(catalogueFolder + "statements-" + string(v) + ".txt")
		if err != nil {
			return nil, err
		}
		c, err := ReadCatalogue(v, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		s.Catalogues[v] = c
		s.proofs[v] = make(map[string][]Citation)
	}
	text, err := fs.ReadFile(fsys, unprovenFile)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			s.Unproven = append(s.Unproven, line)
		}
	}
	all, err := readTests(fsys)
	faults := []error{err}
	for _, c := range all {
		if s.Catalogues[c.Version].Find(c.Label) == nil {
			faults = append(faults, fmt.Errorf("%s: %s: %s has no statement %s", c.File, c.Test, c.Version, c.Label))
			continue
		}
		if of := s.proofs[c.Version]; !slices.Contains(of[c.Label], c) {
			of[c.Label] = append(of[c.Label], c)
		}
	}
	return s, errors.Join(faults...)
}

// readTests returns the citations of all Go tests and scripts, ordered by file.
func readTests(fsys fs.FS) (all []Citation, err error) {
	packages := make(map[string]map[string]string) // by folder, then by file
	var faults []error
	for _, folder := range testFolders {
		walked := fs.WalkDir(fsys, folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			isTest := strings.HasSuffix(name, "_test.go")
			isScript := path.Ext(name) == ".txtar" || path.Ext(name) == ".txt" && path.Dir(name) == scriptFolder
			if !isTest && !isScript {
				return nil
			}
			text, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			if isTest {
				dir := path.Dir(name)
				if packages[dir] == nil {
					packages[dir] = make(map[string]string)
				}
				packages[dir][name] = string(text)
				return nil
			}
			found, err := ScriptCitations(name, string(text))
			faults = append(faults, err)
			all = append(all, found...)
			return nil
		})
		faults = append(faults, walked)
	}
	for _, files := range packages {
		found, err := GoCitations(files)
		faults = append(faults, err)
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b Citation) int { return strings.Compare(a.File, b.File) })
	return all, errors.Join(faults...)
}
