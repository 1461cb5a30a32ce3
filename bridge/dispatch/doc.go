// Package dispatch answers the HTTP requests by which old clients of XIMP find out where to connect:
//
//	GET or POST /get?mobiletype=&uid=&appid=&random=   {"errno":0,"errmsg":"","data":"HOST:PORT;HOST:PORT","sign":""}
//	GET /status.php                                    ok, or fail while the node had better be left alone
//
// Its [Server] is a front of netloop, for a listener of its own or for one that tells protocols apart. One request is answered on a
// connection, which is closed then.
//
// The addresses are those of the configuration, none is learned. Answers are made and, if so configured, signed when the Server is: an answer
// costs no more than a look at where in the rotation it is.
//
// Clients differ in what they make of an item of data. Android cuts it at the colon and takes 443 without one; iOS takes all of it as a
// host on port 443, so that mobiletype=ios gets hosts alone, of those addresses that have this port.
package dispatch
