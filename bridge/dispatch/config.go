package dispatch

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
)

// Address is where clients may connect.
type Address struct {
	Host   string // a name or an IPv4 address: clients cut at colons
	Port   uint16 // 0 is 443, and not written
	Weight int    // how often it comes first beside the others; 1 at least
}

// clientPort is the port that clients use for an address that names none.
const clientPort = 443

// Bounds of a Config.
const (
	// MaxAddresses is how many addresses a list has at most.
	MaxAddresses = 256
	// MaxWeight is the largest weight.
	MaxWeight = 100
	// MaxAnswers is how many addresses there are in an answer at most.
	MaxAnswers = 16
	// maxRotation is how many answers are made of a list at most, before they come again.
	maxRotation = 1000
)

// Config holds the settings of a Server. Zero fields take the default.
type Config struct {
	// Addresses are what clients are given. Required.
	Addresses []Address
	// Users get the UserAddresses instead: those who try something out. Their names are those of uid.
	Users         []string
	UserAddresses []Address
	// Answers is how many addresses an answer has, if there are as many. Default 2.
	Answers int
	// SignKey signs answers: RSA PKCS#1 v1.5 over the bytes of the MD5 of data. That is obsolete and covers neither
	// the request nor the time, so that an answer can be given to others, and later. nil leaves them unsigned, which clients take.
	SignKey *rsa.PrivateKey
	// Ready tells whether /status.php says ok. It is called on any loop and must not block. nil is always.
	Ready func() bool
}

func (c Config) withDefaults() Config {
	if c.Answers <= 0 {
		c.Answers = 2
	}
	c.Answers = min(c.Answers, MaxAnswers)
	if c.Ready == nil {
		c.Ready = func() bool { return true }
	}
	return c
}

// check complains about what no list can be made of.
func check(as []Address) error {
	if len(as) > MaxAddresses {
		return fmt.Errorf("%d addresses: %d at most", len(as), MaxAddresses)
	}
	for _, a := range as {
		if a.Host == "" || a.Weight < 1 || a.Weight > MaxWeight {
			return fmt.Errorf("address %q with weight %d: a weight is 1 to %d", a.Host, a.Weight, MaxWeight)
		}
	}
	return nil
}

// text is how a client is told the address. ok is false if it cannot use it: bare is a client that takes hosts only.
func (a Address) text(bare bool) (s string, ok bool) {
	switch {
	case a.Port == 0, a.Port == clientPort && bare:
		return a.Host, true
	case bare:
		return "", false
	}
	return a.Host + ":" + strconv.Itoa(int(a.Port)), true
}

var errNoAddresses = errors.New("there are no addresses")
