package config

import "testing"

func TestParseThresholds(t *testing.T) {
	for _, tt := range []struct {
		text  string
		parse func(string) (Thresholds, error)
		want  Thresholds
		ok    bool
	}{
		{"250ms 1s 4s", ParseDurations, Thresholds{0.25, 1, 4}, true},
		{" 1ms  2ms\t1h ", ParseDurations, Thresholds{0.001, 0.002, 3600}, true},
		{"off", ParseDurations, Thresholds{}, true},
		{"80% 90% 95%", ParsePercentages, Thresholds{0.8, 0.9, 0.95}, true},
		{"1% 2% 100%", ParsePercentages, Thresholds{0.01, 0.02, 1}, true},
		{"off", ParsePercentages, Thresholds{}, true},
		{"", ParseDurations, Thresholds{}, false},
		{"1s", ParseDurations, Thresholds{}, false},
		{"1s 2s 3s 4s", ParseDurations, Thresholds{}, false},
		{"1s 1s 2s", ParseDurations, Thresholds{}, false},
		{"2s 1s 3s", ParseDurations, Thresholds{}, false},
		{"0s 1s 2s", ParseDurations, Thresholds{}, false},
		{"-1s 1s 2s", ParseDurations, Thresholds{}, false},
		{"1s 2s 2h", ParseDurations, Thresholds{}, false},
		{"1 2 3", ParseDurations, Thresholds{}, false},
		{"80 90 95", ParsePercentages, Thresholds{}, false},
		{"80% 90% 101%", ParsePercentages, Thresholds{}, false},
		{"0% 90% 95%", ParsePercentages, Thresholds{}, false},
		{"1.5% 90% 95%", ParsePercentages, Thresholds{}, false},
		{"1s 2s 3s", ParsePercentages, Thresholds{}, false},
	} {
		got, err := tt.parse(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v, want %v, %t", tt.text, got, err, tt.want, tt.ok)
		}
	}
}
