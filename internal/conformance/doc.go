// Package conformance knows which normative statements of MQTT have a test.
//
// The statements are listed in broker/mqtt/testdata/conformance, one catalogue
// per version. Tests cite the ones they prove, always with the version, because
// the versions number differently: "v5 [" and a label and "]", in a comment or
// in the name of a table's entry; a version holds for the labels that follow it
// in one list, and "to" between two labels means all from the first to the
// second. In a script (testdata, "== title") citations stand in comments.
//
// The tests of this package fail where a citation names no statement, where a
// statement that binds a server has no test and is not in unproven.txt, and
// where docs/conformance.md is not what [Report] makes of it all. To write that
// file anew:
//
//	go generate ./internal/conformance
package conformance

//go:generate go test -count=1 -run ^TestReportIsCurrent$ -update .
