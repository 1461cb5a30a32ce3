package ximp

import "errors"

// Reasons for which a connection is closed. Those of the codec are packet's.
var (
	errNotXIMP      = errors.New("first packet has no header")
	errVersion      = errors.New("protocol version is not 0 or 1")
	errNoKey        = errors.New("there is no key for this app and client version")
	errOtherApp     = errors.New("header names another app than the first one")
	errText         = errors.New("text form outside WebSocket")
	errLoginTimeout = errors.New("no login in time")
	errSilent       = errors.New("nothing heard for too long")
	errLoggedOut    = errors.New("client has logged out")
	errRefused      = errors.New("client was refused")
	errCredentials  = errors.New("client is not who it says")
	errExpired      = errors.New("authentication has expired")
)
