// Package floods measures what floods cost the clients of a broker that are there already. It is behind
// `holdfast bench floods`.
//
// # What is measured
//
// Pairs of a publisher and a subscriber, most over TCP, some over TLS and WebSocket, exchange messages at QoS 1
// as fast as their windows allow. They stay connected all the time. For each kind of flood they are measured
//
//	without   before it
//	with      while it goes on
//	dummy     while the same flood, with as many attempts in the same time, goes to a dummy
//	after     when it has ended for the last time, at once
//
// Floods of the broker and of the dummy take turns, a second each, so that whatever else the machine does
// befalls both.
//
// A flood takes processor time of the machine itself: whoever makes it and the kernel's work for its connections,
// on the same cores as broker and pairs. The dummy takes connections, answers as much as the flood needs to go
// on, and throws away what it reads. What pairs lose beside the dummy no broker could save; what
// they lose beyond it is the broker's. So
//
//	loss = 1 - with/dummy
//
// On machines of their own, the flood's would cost the pairs nothing, and the loss by the broker's part is what
// would be left. Since a dummy's accepting and reading is in its share, the loss is what the broker does beyond that.
//
// # Floods
//
// A flood goes to a loopback address only, ends by itself at its time or its number of attempts, and has a bounded
// number of connections. On Linux they come from some addresses of the loopback network, so that a bound for one
// address is not all that holds them up. They are closed by RST, or else the machine would run out of ports.
//
//	connect      connect and close
//	silent       connect and say nothing
//	half-tls     a ClientHello, then silence
//	hello        a ClientHello, the answer is awaited, close: the server has done its costly part
//	tls-bytes    MQTT in TLS records of one byte
//	ws-bytes     MQTT in WebSocket frames of one byte
//	upgrade      requests for a WebSocket that come byte by byte and never end
//	big-records  TLS records that claim 64 KiB
//	garbage      CONNECT that claims 256 MB, or bytes of chance
//	renegotiate  TLS 1.2 connections that ask for another handshake
//
// ClientHellos are made once and sent again, as an attacker would: the server cannot tell, and has all the work.
package floods
