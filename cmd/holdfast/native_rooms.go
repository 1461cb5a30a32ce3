package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/hooks/callout"
)

// Defaults of rooms. Pages wait for 1 s, of which the way there and back takes some, and the queue.
const (
	roomTimeout  = 800 * time.Millisecond
	roomSlack    = 100 * time.Millisecond
	roomRequests = 16
)

// roomServices is what a profile says about rooms; its web services are asked about them.
func (n *natives) roomServices(r *config.NativeRooms, xc *ximp.Config) error {
	xc.KeptMessages, xc.KeptRoomBytes, xc.KeptBytes, xc.KeptFor = r.KeptMessages, int(r.KeptRoomBytes), int(r.KeptBytes), r.KeptFor
	xc.MaxMultiInfos = r.MaxPull
	xc.RoomWorkers = cmp.Or(r.Requests, roomRequests)
	timeout := cmp.Or(r.Timeout, roomTimeout)
	xc.RoomTimeout = timeout + roomSlack
	file, err := openHeader(r.HeaderFile)
	if err != nil {
		return fmt.Errorf("ximp.rooms.header_file: %w", err)
	}
	var header func() http.Header
	if file != nil {
		header = file.header
		n.beside = append(n.beside, func(ctx context.Context) { file.Run(ctx, authFilesEvery, n.mqtt.Logger) })
	}
	service := func(name, url string) (*callout.Service, error) {
		s, err := callout.New(callout.Config{URL: url, Plain: r.HTTPPlain, Header: header, Timeout: timeout, MaxConcurrent: xc.RoomWorkers,
			MaxAnswer: maxRoomAnswer})
		if err != nil {
			return nil, fmt.Errorf("ximp.rooms.%s: %w", name, err)
		}
		n.services = append(n.services, s)
		return s, nil
	}
	if r.JoinURL != "" {
		s, err := service("join_url", r.JoinURL)
		if err != nil {
			return err
		}
		xc.RoomAdmitter = roomService{s}
	}
	if r.QuitURL != "" {
		s, err := service("quit_url", r.QuitURL)
		if err != nil {
			return err
		}
		xc.RoomQuitObserver = roomService{s}
	}
	return nil
}

// maxRoomAnswer is the greatest length of an answer about a room, in bytes.
const maxRoomAnswer = 128 << 10

// roomService is a web service that decides who may be in rooms, or is told who has left.
type roomService struct{ *callout.Service }

// roomQuestion is what it is told.
type roomQuestion struct {
	Event     string            `json:"event"` // join or quit
	App       string            `json:"app"`
	AppID     uint16            `json:"appid"`
	Room      string            `json:"room"`
	User      string            `json:"user"`
	ClientID  string            `json:"client_id"`
	Address   string            `json:"address,omitempty"`
	Arguments map[string]string `json:"arguments,omitempty"`
	UserData  string            `json:"userdata,omitempty"`
	Audience  string            `json:"audienceflag,omitempty"` // 0 or 1
}

var (
	errRoomText   = errors.New("a room, argument or user is no UTF-8")
	errRoomAnswer = errors.New("the service's answer is not the JSON that was agreed on")
)

// roomQuestionOf puts e into JSON.
func roomQuestionOf(event string, e *ximp.RoomEntry) ([]byte, error) {
	q := roomQuestion{Event: event, App: e.App, AppID: e.AppID, Room: e.Room, User: e.User, ClientID: e.ClientID, UserData: string(e.UserData)}
	if e.Remote.IsValid() {
		q.Address = e.Remote.Addr().Unmap().String()
	}
	ok := utf8.ValidString(q.Room) && utf8.ValidString(q.User) && utf8.ValidString(q.UserData)
	for _, a := range e.Arguments {
		if q.Arguments == nil {
			q.Arguments = make(map[string]string)
		}
		q.Arguments[a.Key] = string(a.Value)
		ok = ok && utf8.ValidString(a.Key) && utf8.Valid(a.Value)
	}
	if !ok { // JSON would make another of it
		return nil, errRoomText
	}
	if event == "join" {
		q.Audience = "0"
		if e.Audience {
			q.Audience = "1"
		}
	}
	return json.Marshal(q)
}

// OnRoomJoin implements ximp.RoomAdmitter.
func (s roomService) OnRoomJoin(ctx context.Context, e *ximp.RoomEntry) (a ximp.RoomAnswer, err error) {
	question, err := roomQuestionOf("join", e)
	if err != nil {
		return a, err
	}
	err = s.Ask(ctx, question, func(answer []byte) (err error) {
		a, err = parseRoomAnswer(answer)
		return err
	})
	return a, err
}

// OnRoomQuit implements ximp.RoomQuitObserver.
func (s roomService) OnRoomQuit(ctx context.Context, e *ximp.RoomEntry) error {
	question, err := roomQuestionOf("quit", e)
	if err != nil {
		return err
	}
	return s.Ask(ctx, question, func([]byte) error { return nil })
}

// parseRoomAnswer reads what the service says about a join. partnerdata is a text, or any other JSON, which is handed on as it is.
func parseRoomAnswer(data []byte) (ximp.RoomAnswer, error) {
	var said struct {
		Result      *int32          `json:"result"`
		Reason      string          `json:"reason"`
		PartnerData json.RawMessage `json:"partnerdata"`
	}
	if err := json.Unmarshal(data, &said); err != nil || said.Result == nil {
		return ximp.RoomAnswer{}, errRoomAnswer
	}
	a := ximp.RoomAnswer{Result: *said.Result, Reason: said.Reason}
	switch raw := bytes.TrimSpace(said.PartnerData); {
	case len(raw) == 0 || string(raw) == "null":
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return ximp.RoomAnswer{}, errRoomAnswer
		}
		a.PartnerData = []byte(text)
	default:
		a.PartnerData = raw
	}
	return a, nil
}
