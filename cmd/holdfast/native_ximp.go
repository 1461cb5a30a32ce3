package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp"
	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker/login"
	"github.com/holdfast-mqtt/holdfast/broker/netloop"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

// ximpDrain is how long XIMP clients have to leave when the node ends, of drainTimeout.
const ximpDrain = drainTimeout / 2

// ximpFront is a front with what applies to clients of its profile.
type ximpFront struct {
	server *ximp.Server
	rules  *ximp.Rules
}

// ximpOf returns the front for a listener.
func (n *natives) ximpOf(l *config.Listener) (ximpFront, error) {
	if f, ok := n.ximp[l.Profile]; ok {
		return f, nil
	}
	p, err := n.profile(l.Profile)
	if err != nil {
		return ximpFront{}, err
	}
	rules, err := ximpRules(&p.XIMP)
	if err != nil {
		return ximpFront{}, fmt.Errorf("%s: %w", l.Profile, err)
	}
	xc := ximp.Config{
		Broker: n.mqtt.Broker, Logger: n.mqtt.Logger,
		Authenticator: n.mqtt.Authenticator, Logins: n.mqtt.Logins, Authorizer: n.mqtt.Authorizer,
		Window: n.limits.MaxQueuedMessages, WindowBytes: int(n.limits.MaxQueuedBytes),
		DrainWait: ximpDrain, Elsewhere: p.XIMP.Elsewhere, ElsewherePort: p.XIMP.ElsewherePort,
	}
	if err := n.roomServices(&p.XIMP.Rooms, &xc); err != nil {
		return ximpFront{}, fmt.Errorf("%s: %w", l.Profile, err)
	}
	f := ximpFront{rules: rules, server: ximp.NewServer(xc, n.engine)}
	n.ximp[l.Profile] = f
	return f, nil
}

// ximpVersion is what default keys are looked up by.
type ximpVersion struct{ app, client uint16 }

// guestRules are the rules by the names that profiles use.
var guestRules = map[string]ximp.GuestRule{
	"": ximp.GuestsAsk, "ask": ximp.GuestsAsk, "check": ximp.GuestsCheck, "accept": ximp.GuestsAccept, "refuse": ximp.GuestsRefuse,
}

// secretRules are likewise those of secret_ram.
var secretRules = map[string]ximp.SecretRule{
	"": ximp.SecretCheck, "check": ximp.SecretCheck, "require": ximp.SecretRequire, "ignore": ximp.SecretIgnore,
}

// ximpRules is what a profile says.
func ximpRules(p *config.NativeXIMP) (*ximp.Rules, error) {
	apps, err := byAppID(p.Apps)
	if err != nil {
		return nil, fmt.Errorf("ximp.apps: %w", err)
	}
	r := &ximp.Rules{
		Apps: apps, OnlyApps: p.OnlyApps,
		Guests: guestRules[p.Guests], RegisteredGuests: p.RegisteredGuests,
		Plaintext: p.Plaintext, PlaintextTypes: p.PlaintextTypes,
		TextAnswers: p.TextAnswers, Direct: p.Direct,
		Presence: p.Presence, PresenceDelay: p.PresenceDelay,
		SecretRAM: secretRules[p.SecretRAM], TokenKey: p.LoginRespKey == "token",
	}
	if n := p.PacketsPerMinute; n != nil {
		r.PacketsPerMinute = cmp.Or(*n, -1)
	}
	if p.TextAppID != 0 || p.TextVersion != 0 {
		r.Text = packet.TextHeader
		if p.TextAppID != 0 {
			r.Text.App = p.TextAppID
		}
		if p.TextVersion != 0 {
			r.Text.ClientVersion = p.TextVersion
		}
	}
	salts, err := byAppID(p.Salts)
	if err != nil {
		return nil, fmt.Errorf("ximp.salts: %w", err)
	}
	r.Salt = func(app uint16) string { return salts[app] }
	tokens, err := byAppID(p.Tokens)
	if err != nil {
		return nil, fmt.Errorf("ximp.tokens: %w", err)
	}
	r.Token = func(app uint16, _, _ string) packet.Key { return packet.Key(tokens[app]) }
	keys, err := ximpKeys(p.Keys)
	if err != nil {
		return nil, fmt.Errorf("ximp.keys: %w", err)
	}
	if len(keys) > 0 {
		r.DefaultKey = func(app, clientVersion uint16) (packet.Key, bool) {
			key, ok := keys[ximpVersion{app, clientVersion}]
			return key, ok
		}
	}
	return r, nil
}

// byAppID is what a profile says by appid.
func byAppID(named map[string]string) (map[uint16]string, error) {
	m := make(map[uint16]string, len(named))
	for id, text := range named {
		app, err := strconv.ParseUint(id, 10, 16)
		if err != nil {
			return nil, err
		}
		m[uint16(app)] = text
	}
	return m, nil
}

func ximpKeys(named map[string]string) (map[ximpVersion]packet.Key, error) {
	keys := make(map[ximpVersion]packet.Key, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		app, version, _ := strings.Cut(name, "-")
		a, err := strconv.ParseUint(app, 10, 16)
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseUint(version, 10, 12)
		if err != nil {
			return nil, err
		}
		keys[ximpVersion{uint16(a), uint16(v)}] = packet.Key(named[name])
	}
	return keys, nil
}

// ximpProtocols is protocols, of XIMP: its binary form anywhere, and both in WebSockets.
func (n *natives) ximpProtocols(l *config.Listener, from *login.Listener) (sniff, bare []netloop.Protocol, err error) {
	f, err := n.ximpOf(l)
	if err != nil {
		return nil, nil, err
	}
	newHandler := f.server.HandlerOf(&ximp.Listener{Listener: *from, Rules: f.rules})
	binary := netloop.Protocol{Name: config.XIMP, Match: ximp.Match, NewHandler: newHandler, Text: true}
	text := netloop.Protocol{Name: config.XIMP, Match: ximp.MatchText, NewHandler: newHandler, Text: true}
	return []netloop.Protocol{binary}, []netloop.Protocol{binary, text}, nil
}

func countXIMP(f *center.Front, st ximp.Stats) {
	f.Logins["accepted"] += st.Logins
	f.Logins["unauthenticated"] += st.Unauthenticated
	f.Logins["overloaded"] += st.Overloaded
	f.Logins["too_many_apps"] += st.TooManyApps
	f.Closed["refused"] += st.Refused - st.TooMany
	f.Closed["malformed"] += st.Malformed
	f.Closed["timeout"] += st.Timeouts
	f.Closed["too_many_packets"] += st.TooMany
	f.Uplinks["accepted"] += st.Uplinks
	f.Uplinks["refused"] += st.UplinksRefused
	f.Uplinks["denied"] += st.Denied
	f.Sent["pages"] += st.Pulls
	f.Sent["doorbells"] += st.Rings
	f.Sent["recalls"] += st.Withdrawn
	f.Sent["public_dropped"] += st.PublicDropped
	f.Sent["room_messages"] += st.RoomMessages
	f.Sent["room_messages_dropped"] += st.Dropped
	f.Rooms["kept"] += st.Kept
	f.Rooms["kept_evicted"] += st.KeptEvicted
	f.Rooms["kept_too_large"] += st.KeptTooLarge
	f.Rooms["number_jumped"] += st.NumberJumped
	f.Rooms["kept_found"] += st.KeptFound
	f.Rooms["kept_gone"] += st.KeptGone
	f.KeptBytes += st.KeptBytes
	f.Rooms["join_admitted"] += st.JoinsAdmitted
	f.Rooms["join_refused"] += st.JoinsRefused
	f.Rooms["join_failed"] += st.JoinsFailed
	f.Rooms["join_overflow"] += st.JoinsOverflow
	f.Rooms["quit_told"] += st.QuitsTold
	f.Rooms["quit_failed"] += st.QuitsFailed
	f.Rooms["quit_lost"] += st.QuitsLost
}
