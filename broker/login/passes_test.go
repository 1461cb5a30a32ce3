package login

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

func TestPasses(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("bad token"), false},
		{broker.ErrBanned, false},
		{fmt.Errorf("http: %w: it is left alone", broker.ErrUnavailable), true},
		{fmt.Errorf("http: %w", &url.Error{Op: "Post", Err: errors.New("refused")}), true},
		{fmt.Errorf("jwt: %w", context.DeadlineExceeded), true},
		{context.Canceled, true},
		{broker.ErrHookPanicked, true},
	} {
		if got := Passes(tt.err); got != tt.want {
			t.Errorf("Passes(%v): got %t, want %t", tt.err, got, tt.want)
		}
	}
}
