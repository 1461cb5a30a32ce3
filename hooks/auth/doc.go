// Package auth decides who may connect.
//
// # The chain
//
// A [Chain] asks authenticators in order, and the first that knows the client decides:
//
//	PasswordFile       User Name and password, from a file of hashes
//	JWT                a signed token in the place of the password
//	ClientCertificate  what TLS has verified
//	HTTP               a web service of the operator's
//	Anonymous          clients without a User Name and password
//
// To know a client is not to like it: a wrong password for a user of the file is denied, and nobody else is asked. A client
// that nobody knows is denied. So is one about whom an authenticator fails or panics: no fault opens the door.
// [SCRAM] stands beside the chain; it is an authentication method of MQTT 5, in which the password is never sent.
//
// An authenticator may say who the client is: its App, Client Identifier, User Name, what it may do, and when it must
// authenticate anew. A client that has named a Client Identifier other than its own is denied, not renamed.
//
// # Work
//
// Authenticators are called beside the loops and block: they hash, or wait for another machine. What that costs
// is bounded: hashes at a time, requests at a time, tokens' and answers' lengths, caches, and with [Failures] how often an
// address may be wrong. What is read from files and fetched from other machines is kept in memory and renewed
// by a Run method, on a goroutine that the caller starts; nobody waits for that but who needs a key that is not there yet.
//
// # Secrets
//
// No error, statistic or cache key holds a password, token, hash or key. Errors that are the client's fault are to be
// logged at Debug at most; those that wrap [ErrUnavailable] are the operator's concern.
package auth
