package callout

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// A client whose question the service does not like can't have it left alone; a service that fails is.
func TestRefusedQuestionsLeaveTheServiceInUse(t *testing.T) {
	for code, left := range map[int]bool{400: false, 401: false, 404: false, 413: false, 422: false, 408: true, 429: true, 500: true, 503: true, 302: true} {
		asked, now := 0, code
		s, err := New(Config{URL: "https://auth.example", MaxFailures: 2, Client: &http.Client{
			CheckRedirect: NoRedirects,
			Transport: transport(func(*http.Request) (*http.Response, error) {
				asked++
				return &http.Response{StatusCode: now, Header: http.Header{"Location": {"/"}}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		read := func([]byte) error { return nil }
		for range 3 {
			if err := s.Ask(t.Context(), nil, read); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%d: got %v, want ErrUnavailable", code, err)
			}
		}
		now = 200
		err = s.Ask(t.Context(), nil, read)
		if (err != nil) != left || s.Stats().Open != left {
			t.Errorf("after %d: got %v, left alone %v, want %v", code, err, s.Stats().Open, left)
		}
		if want := map[bool]int{false: 4, true: 2}[left]; asked != want {
			t.Errorf("%d: got %d requests, want %d", code, asked, want)
		}
		s.Close()
	}
}
