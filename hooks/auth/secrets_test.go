package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// Whatever goes wrong, and whoever tells it: no error holds what a client or an operator keeps to itself.
func TestErrorsHoldNoSecrets(t *testing.T) {
	const secret = "s3cr3t"
	s := testSigners()
	users := openPasswords(t, "alice:"+cheapHash(secret))
	keys := newJWT(t, JWTConfig{Issuer: "me"})
	tokens := []string{
		sign(t, "HS256", good("iss", secret), s.hmac), sign(t, "HS256", good("iss", "me", "client_id", secret), s.hmac),
		sign(t, "HS256", good("iss", "me", "sub", secret, "app", secret+"/"), s.hmac), sign(t, "HS256", good(), []byte(strings.Repeat(secret, 9))),
		sign(t, "HS256", good(), s.hmac, "kid", secret, "crit", []string{secret}), "e30." + secret + "." + secret, "e30.e30." + secret,
	}
	services := []transport{
		func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("no route") },
		func(r *http.Request) (*http.Response, error) { return answer(500, secret), nil },
		func(r *http.Request) (*http.Response, error) { return answer(200, secret), nil },
		func(r *http.Request) (*http.Response, error) { return answer(200, `{"decision":"`+secret+`"}`), nil },
	}
	check := func(what string, err error) {
		t.Helper()
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %q, which holds the secret", what, err)
		}
	}
	for _, token := range append(tokens, secret) {
		chain := NewChain(nil, Link{"jwt", keys}, Link{"password_file", users}, Link{"certificate", ClientCertificate{ClientID: FieldCN}})
		_, _, err := ask(t, chain, withPassword("alice", token))
		check("chain", err)
		_, _, err = ask(t, newJWT(t, JWTConfig{InUser: true}), withPassword(token, secret))
		check("token in the User Name", err)
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("got %q, which holds the token", err)
		}
	}
	for _, service := range services {
		h := newHTTP(t, HTTPConfig{Header: header("Authorization", secret)}, service)
		h.cfg.URL = "https://" + secret + ":" + secret + "@auth.example/" + secret + "?" + secret
		_, _, err := ask(t, NewChain(nil, Link{"http", h}), withPassword("alice", secret))
		if err == nil {
			t.Error("got no error, want one to look at")
		}
		check("http", err)
	}
	// net/http's own errors name the URL, and some of them what is wrong with a header.
	for _, value := range []string{"Bearer " + secret, "Bearer\n" + secret} {
		h, err := NewHTTP(HTTPConfig{URL: "http://" + secret + ":" + secret + "@127.0.0.1:1/" + secret + "?" + secret, Plain: true,
			Header: header("Authorization", value), MaxFailures: 100})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = h.OnConnectAuthenticate(t.Context(), withPassword("alice", secret))
		if err == nil {
			t.Error("got no error, want one to look at")
		}
		check("net/http", err)
		h.Close()
	}
	scram := newScram(t, scramLine(t, "alice", secret, rfcSalt, ""), nil)
	for _, data := range []string{secret, "n,,n=" + secret + ",r=1", "n,a=" + secret + ",n=alice,r=12345678", "p=" + secret + ",,n=a,r=12345678"} {
		_, _, _, err := scram.Begin(&broker.ConnectRequest{}).Step(t.Context(), []byte(data))
		check("scram", err)
	}
	_, err := NewHTTP(HTTPConfig{URL: "http://" + secret})
	check("NewHTTP", err)
	_, err = NewRemoteKeys(RemoteKeysConfig{URL: "http://" + secret})
	check("NewRemoteKeys", err)
}

// What Run logs of a file that has gone bad does not hold what is in it.
func TestLogsHoldNoSecrets(t *testing.T) {
	const secret = "s3cr3t"
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ctx, cancel := context.WithCancel(t.Context())
		users := openPasswords(t, "alice:"+cheapHash("x"))
		keys, err := NewRemoteKeys(RemoteKeysConfig{URL: "https://u:" + secret + "@keys.example/?" + secret,
			Client: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(users.file.Path(), []byte("bob:"+secret+"\n"+secret), 0o600); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { users.Run(ctx, time.Second, log) })
		<-time.After(2 * time.Second)
		cancel()
		wg.Wait()
		ctx, cancel = context.WithCancel(t.Context())
		wg.Go(func() { keys.Run(ctx, log) })
		synctest.Wait()
		cancel()
		wg.Wait()
		if got := out.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, secret) {
			t.Errorf("got %s, want two lines without the secret", got)
		}
	})
}
