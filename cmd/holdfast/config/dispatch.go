package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NativeDispatch is what a profile says about the dispatcher, by which old clients of XIMP find out where to connect.
type NativeDispatch struct {
	// Addresses are where clients are sent, each with its weight: how often it comes first beside the others. An address is HOST:PORT, or
	// HOST, which is port 443.
	Addresses map[string]int `yaml:"addresses"`
	// Answers is how many addresses an answer has. 0 is 2.
	Answers int `yaml:"answers"`
	// Users are sent to UserAddresses instead.
	Users         []string       `yaml:"users"`
	UserAddresses map[string]int `yaml:"user_addresses"`
	// SignKeyFile is a PEM file with the RSA key that signs answers. Empty leaves them unsigned.
	SignKeyFile string `yaml:"sign_key_file"`
}

// Bounds of the dispatcher.
const (
	maxDispatchAddresses = 256
	maxDispatchWeight    = 100
	maxDispatchAnswers   = 16
	maxDispatchUsers     = 1000
	maxDispatchUser      = 256 // bytes
)

// dispatchHost is what clients can take apart: names and IPv4 addresses, no colons.
var dispatchHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// SplitDispatchAddress reads HOST:PORT, or HOST, of which the port is 0.
func SplitDispatchAddress(text string) (host string, port uint16, err error) {
	host, number, named := strings.Cut(text, ":")
	if !dispatchHost.MatchString(host) {
		return "", 0, fmt.Errorf("%q is not HOST or HOST:PORT, with a name or an IPv4 address: clients cut at colons", text)
	}
	if !named {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != number {
		return "", 0, fmt.Errorf("%q: write a port of 1 to 65535", text)
	}
	return host, uint16(n), nil
}

func (d *NativeDispatch) check(f *faults) {
	checkDispatchAddresses(f, "dispatch.addresses", d.Addresses)
	checkDispatchAddresses(f, "dispatch.user_addresses", d.UserAddresses)
	if d.Answers < 0 || d.Answers > maxDispatchAnswers {
		f.add("dispatch.answers", "%d is not 1 to %d, or 0 for the default", d.Answers, maxDispatchAnswers)
	}
	if (len(d.Users) > 0) != (len(d.UserAddresses) > 0) {
		f.add("dispatch.users", "they go with user_addresses")
	}
	if len(d.Users) > maxDispatchUsers {
		f.add("dispatch.users", "%d users: %d at most", len(d.Users), maxDispatchUsers)
	}
	for _, u := range d.Users {
		if u == "" || len(u) > maxDispatchUser {
			f.add("dispatch.users", "a user has 1 to %d bytes", maxDispatchUser)
		}
	}
	rest := len(d.Users) + d.Answers + len(d.SignKeyFile)
	if len(d.Addresses) == 0 && rest > 0 {
		f.add("dispatch.addresses", "there are none")
	}
}

func checkDispatchAddresses(f *faults, name string, as map[string]int) {
	if len(as) > maxDispatchAddresses {
		f.add(name, "%d addresses: %d at most", len(as), maxDispatchAddresses)
	}
	for _, text := range slices.Sorted(maps.Keys(as)) {
		if _, _, err := SplitDispatchAddress(text); err != nil {
			f.add(name, "%w", err)
		}
		if w := as[text]; w < 1 || w > maxDispatchWeight {
			f.add(name, "%s: weight %d is not 1 to %d", text, w, maxDispatchWeight)
		}
	}
}
