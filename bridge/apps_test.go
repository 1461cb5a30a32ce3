package bridge

import "testing"

func TestApps(t *testing.T) {
	a := NewApps(2)
	for i, tt := range []struct {
		name string
		want bool
	}{{"a", true}, {"b", true}, {"c", false}, {"a", true}, {"c", false}, {"b", true}} {
		if got := a.Admit(tt.name); got != tt.want {
			t.Errorf("%d, %s: got %v, want %v", i, tt.name, got, tt.want)
		}
	}
}
