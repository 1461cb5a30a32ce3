package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/client"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
)

func TestRoomQuestion(t *testing.T) {
	e := &ximp.RoomEntry{
		App: "live", AppID: 7, Room: "hall", User: "alice", ClientID: "x:alice:web:", Remote: netip.MustParseAddrPort("203.0.113.7:4711"),
		Arguments: []ximp.RoomArgument{{Key: "level", Value: []byte("3")}}, UserData: []byte("me"), Audience: true,
	}
	for _, tt := range []struct {
		event string
		e     *ximp.RoomEntry
		want  string
	}{
		{"join", e, `{"event":"join","app":"live","appid":7,"room":"hall","user":"alice","client_id":"x:alice:web:","address":"203.0.113.7",` +
			`"arguments":{"level":"3"},"userdata":"me","audienceflag":"1"}`},
		{"join", &ximp.RoomEntry{Room: "r"}, `{"event":"join","app":"","appid":0,"room":"r","user":"","client_id":"","audienceflag":"0"}`},
		{"quit", &ximp.RoomEntry{Room: "r", User: "u"}, `{"event":"quit","app":"","appid":0,"room":"r","user":"u","client_id":""}`},
	} {
		if got, err := roomQuestionOf(tt.event, tt.e); err != nil || string(got) != tt.want {
			t.Errorf("got %s, %v, want %s", got, err, tt.want)
		}
	}
	for _, e := range []*ximp.RoomEntry{{Room: "\xff"}, {Arguments: []ximp.RoomArgument{{Key: "k", Value: []byte("\xff")}}}, {UserData: []byte("\xff")}} {
		if got, err := roomQuestionOf("join", e); !errors.Is(err, errRoomText) {
			t.Errorf("%+v: got %s, %v, want errRoomText", e, got, err)
		}
	}
}

func TestRoomAnswer(t *testing.T) {
	for _, tt := range []struct {
		text string
		want ximp.RoomAnswer
		err  error
	}{
		{`{"result":0}`, ximp.RoomAnswer{}, nil},
		{`{"result":7,"reason":"full","partnerdata":null,"more":1}`, ximp.RoomAnswer{Result: 7, Reason: "full"}, nil},
		{`{"result":0,"partnerdata":"{\"a\":1}"}`, ximp.RoomAnswer{PartnerData: []byte(`{"a":1}`)}, nil},
		{`{"result":0,"partnerdata": {"a": [1]} }`, ximp.RoomAnswer{PartnerData: []byte(`{"a": [1]}`)}, nil},
		{`{}`, ximp.RoomAnswer{}, errRoomAnswer},
		{`{"result":"0"}`, ximp.RoomAnswer{}, errRoomAnswer},
		{`{"result":3000000000}`, ximp.RoomAnswer{}, errRoomAnswer},
		{`{"result":0}{"result":1}`, ximp.RoomAnswer{}, errRoomAnswer},
		{``, ximp.RoomAnswer{}, errRoomAnswer},
	} {
		got, err := parseRoomAnswer([]byte(tt.text))
		if got.Result != tt.want.Result || got.Reason != tt.want.Reason || string(got.PartnerData) != string(tt.want.PartnerData) || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

// The services of the profile decide about joins and are told of quits.
func TestRoomServices(t *testing.T) {
	quits := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Header.Get("Authorization") != "Bearer token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/quit":
			quits <- string(body)
		case string(body) == `{"event":"join","app":"default","appid":7,"room":"hall","user":"alice","client_id":"x:alice:mobile:d",`+
			`"address":"127.0.0.1","arguments":{"level":"3"},"audienceflag":"1"}`:
			_, _ = io.WriteString(w, `{"result":0,"partnerdata":{"seat":12}}`)
		default:
			_, _ = io.WriteString(w, `{"result":1001,"reason":"no ticket"}`)
		}
	}))
	defer srv.Close()
	dir := t.TempDir()
	profile, token := filepath.Join(dir, "native.yaml"), filepath.Join(dir, "token")
	text := `ximp: {rooms: {join_url: "` + srv.URL + `/join", quit_url: "` + srv.URL + `/quit", http_plain: true, header_file: ` + token + `, timeout: 15s}}`
	if err := errors.Join(os.WriteFile(profile, []byte(text), 0o600), os.WriteFile(token, []byte("Bearer token\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	addr := startNode(t, "ximp://127.0.0.1:0?app=default&profile="+profile)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{
		URL: "ximp://" + addr[0], Header: packet.Header{Version: 1, ClientVersion: 102, App: 7}, User: "alice", Platform: "mobile", DeviceID: "d",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var refused *client.RoomError
	if _, err := c.Join(ctx, "vault", nil); !errors.As(err, &refused) || refused.Result != 1001 || refused.Reason != "no ticket" {
		t.Errorf("vault: got %v, want it refused by the product", err)
	}
	room, err := c.Join(ctx, "hall", map[string]string{"level": "3"})
	if err != nil || string(room.PartnerData) != `{"seat":12}` {
		t.Errorf("hall: got %+v, %v, want the product's data", room, err)
	}
	c.Close()
	select {
	case got := <-quits:
		if want := `{"event":"quit","app":"default","appid":7,"room":"hall","user":"alice","client_id":"x:alice:mobile:d","address":"127.0.0.1"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	case <-ctx.Done():
		t.Error("nobody is told that alice has left")
	}
}
