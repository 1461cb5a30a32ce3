package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/center"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
)

const kickNotes = `The client is told if its protocol has a word for it: DISCONNECT 0x98 in MQTT 5, Kick r:2 in MIOP. Its Will is published.
It may come back at once: to keep it out, name it in auth.ban_file first (docs/security.md).

Examples:
  holdfast kick phone                              a client of the App default
  holdfast kick --app live m:alice                 a MIOP user of the App live
  holdfast kick phone --end-session                what waits for it goes, too
  holdfast kick phone --api http://192.0.2.7:8088

Exit codes: 0 done, 1 it could not be done (it is not connected, the node does not answer), 2 wrong command line.
`

func runKick(ctx context.Context, args []string, stdio Stdio) int {
	fs := newFlagSet(stdio, "kick", "kick [flags] CLIENT_ID", kickNotes)
	app := fs.String("app", broker.DefaultApp, "the client's `App`")
	end := fs.Bool("end-session", false, "end its Session with the connection, as if it had asked for that")
	api := fs.String("api", "http://"+config.Default().API, "`URL` of the node's API")
	code, done := parseArgs(fs, stdio, args, func() error {
		if fs.NArg() != 1 || fs.Arg(0) == "" {
			return errors.New("name one Client Identifier")
		}
		return nil
	})
	if done {
		return code
	}
	tool, err := newAPITool(*api)
	if err != nil {
		return usageError(stdio, fs.Name(), err)
	}
	defer tool.Close()
	k, err := tool.kick(ctx, *app, fs.Arg(0), *end)
	if err != nil {
		return failure(stdio, fs.Name(), err)
	}
	what := "its Session stays"
	if k.SessionEnded {
		what = "its Session ends, too"
	}
	fmt.Fprintf(stdio.Out, "%s of App %s is disconnected; %s.\n", k.ClientID, k.App, what)
	return exitOK
}

// kick has the node end a client's connection.
func (t *apiTool) kick(ctx context.Context, app, clientID string, endSession bool) (k center.Kicked, err error) {
	q := url.Values{"app": {app}, "client_id": {clientID}, "end_session": {strconv.FormatBool(endSession)}}
	resp, err := t.call(ctx, http.MethodPost, "/v1/clients/kick?"+q.Encode())
	if err != nil {
		return k, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&k); err != nil {
		return k, fmt.Errorf("read the node's answer: %w", err)
	}
	return k, nil
}
