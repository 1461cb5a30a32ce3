package config

import (
	"fmt"
	"slices"
)

// didYouMean returns a hint at the candidate nearest to got, or "" when none is near.
func didYouMean(got string, candidates []string) string {
	best, bestDistance := "", len(got)/3+2
	for _, c := range candidates {
		if d := editDistance(got, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// hintAtKey returns a hint at what is meant by a key of a section that has names, or "".
func hintAtKey(section, key string, names []string) string {
	profile := []string{XIMP, MIOP, Dispatch}
	if section == "" && slices.Contains(profile, key) && !slices.Contains(names, key) {
		return " (it is one of a profile: have a listener's URL name that file, as in ximp://HOST:PORT?profile=FILE; 'config check --profile FILE' checks it)"
	}
	return didYouMean(key, names)
}

// editDistance is the least number of bytes to insert, remove or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
