package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// explainDial adds to an error of a client of XIMP or MIOP what to do about it. flags are those that name the listener.
func explainDial(err error, flags string) error {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, wrongName := errors.AsType[x509.HostnameError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens there: start a broker with such a listener, or name its address with %s", err, flags)
	case unknown:
		return fmt.Errorf("%w: if it is one of your own, name it with --cafile", err)
	case wrongName:
		return fmt.Errorf("%w: name the host as the certificate does, with %s", err, flags)
	}
	return err
}

// explainMIOP adds what to do about an error of the client.
func explainMIOP(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: the server closed the connection: is it a listener for MIOP (-p), with TLS (--tls) or without, "+
			"and does it let in this appid and version?", err)
	}
	return explainDial(err, "-h and -p")
}
