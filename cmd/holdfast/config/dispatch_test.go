package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadDispatch(t *testing.T) {
	n, err := ReadNative(writeProfile(t, `dispatch: {addresses: {"192.0.2.1:443": 3, rooms.example: 1}, answers: 3, users: [u], user_addresses: {"192.0.2.9:80": 1}}`))
	if err != nil || n.Dispatch.Addresses["192.0.2.1:443"] != 3 || n.Dispatch.UserAddresses["192.0.2.9:80"] != 1 {
		t.Errorf("got %+v, %v", n, err)
	}
}

func TestReadDispatchFaults(t *testing.T) {
	var many strings.Builder
	for i := range maxDispatchAddresses + 1 {
		fmt.Fprintf(&many, "h%d: 1, ", i)
	}
	for _, tt := range []struct{ text, want string }{
		{`addresses: {"192.0.2.1:443": 0}`, "weight 0 is not 1 to 100"},
		{`addresses: {"192.0.2.1:443": 101}`, "weight 101"},
		{`addresses: {"[::1]:443": 1}`, "with a name or an IPv4 address"},
		{`addresses: {"a;b": 1}`, "is not HOST or HOST:PORT"},
		{`addresses: {"-a": 1}`, "is not HOST or HOST:PORT"},
		{`addresses: {"a:": 1}`, "write a port of 1 to 65535"},
		{`addresses: {"a:0443": 1}`, "write a port"},
		{`addresses: {"a:65536": 1}`, "write a port"},
		{`addresses: {` + many.String() + `}`, "257 addresses: 256 at most"},
		{`addresses: {a: 1}, answers: 17`, "dispatch.answers: 17 is not 1 to 16"},
		{`addresses: {a: 1}, users: [u]`, "they go with user_addresses"},
		{`addresses: {a: 1}, user_addresses: {a: 1}`, "they go with user_addresses"},
		{`addresses: {a: 1}, users: [""], user_addresses: {a: 1}`, "a user has 1 to 256 bytes"},
		{`addresses: {a: 1}, users: [` + strings.Repeat("u,", 1001) + `], user_addresses: {a: 1}`, "1001 users: 1000 at most"},
		{`sign_key_file: x`, "dispatch.addresses: there are none"},
		{`address: {a: 1}`, `unknown key "dispatch.address"`},
	} {
		if _, err := ReadNative(writeProfile(t, "dispatch: {"+tt.text+"}")); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s: got %v, want %q", tt.text, err, tt.want)
		}
	}
}

// A listener with a dispatcher has a profile with addresses.
func TestDispatchNeedsAddresses(t *testing.T) {
	if _, err := ParseListener("dispatch://127.0.0.1:80"); err == nil || !strings.Contains(err.Error(), "name a profile with dispatch.addresses") {
		t.Errorf("no profile: got %v", err)
	}
	c := Default()
	c.Listen = []string{"auto://127.0.0.1:0?protocols=ximp,dispatch&profile=" + writeProfile(t, "")}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "it has no dispatch.addresses") {
		t.Errorf("empty profile: got %v", err)
	}
	c.Listen = []string{"auto://127.0.0.1:0?protocols=ximp,dispatch&profile=" + writeProfile(t, "dispatch: {addresses: {a: 1}}")}
	if err := c.Validate(); err != nil {
		t.Errorf("with addresses: got %v", err)
	}
}
