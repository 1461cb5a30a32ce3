package topic

import "testing"

func TestOptions(t *testing.T) {
	for qos := range uint8(3) {
		for handling := range uint8(3) {
			for flags := range 4 {
				noLocal, published := flags&1 != 0, flags&2 != 0
				o := NewOptions(qos, noLocal, published, handling)
				if o.QoS() != qos || o.NoLocal() != noLocal || o.RetainAsPublished() != published || o.RetainHandling() != handling {
					t.Errorf("NewOptions(%d, %v, %v, %d) = %#x reads back as %d, %v, %v, %d", qos, noLocal, published, handling,
						uint8(o), o.QoS(), o.NoLocal(), o.RetainAsPublished(), o.RetainHandling())
				}
			}
		}
	}
	// The layout is that of the options byte on the wire: v5 3.8.3.1.
	if got, want := NewOptions(2, true, false, 1), Options(0b01_0_1_10); got != want {
		t.Errorf("NewOptions(2, true, false, 1) = %#b, want %#b", got, want)
	}
	if got := NewOptions(0xff, false, false, 0xff); got != 0b11_0_0_11 {
		t.Errorf("NewOptions of too large values = %#b, want 0b110011", got)
	}
}

func TestOptionsMerge(t *testing.T) {
	tests := []struct{ a, b, want Options }{
		{NewOptions(0, false, false, 0), NewOptions(2, false, false, 0), NewOptions(2, false, false, 0)},
		{NewOptions(2, false, false, 0), NewOptions(1, false, false, 0), NewOptions(2, false, false, 0)},
		{NewOptions(1, true, false, 2), NewOptions(1, false, true, 1), NewOptions(1, false, true, 2)},
		{NewOptions(1, true, true, 0), NewOptions(0, true, false, 1), NewOptions(1, true, true, 0)},
	}
	for _, tt := range tests {
		if got := tt.a.merge(tt.b); got != tt.want {
			t.Errorf("%#b merged with %#b = %#b, want %#b", tt.a, tt.b, got, tt.want)
		}
	}
}
