// Package config is the broker's configuration: one struct, its defaults, its checks, and the
// four places a setting can come from. In order of precedence, highest first:
//
//  1. a command-line flag:        --log-level debug
//  2. an environment variable:    HOLDFAST_LOG_LEVEL=debug
//  3. a key of the YAML file:     log_level: debug
//  4. the default.
//
// The name of a setting is its YAML path. Its environment variable is HOLDFAST_ and that path in
// upper case, with an underscore for each dot: broker.max_inflight is HOLDFAST_BROKER_MAX_INFLIGHT.
// Settings with a `usage` tag are flags as well, under the path with dashes. A name that no setting
// has is refused in all three places. docs/configuration.md is generated from the comments below.
package config

import (
	"net/netip"
	"time"
)

//go:generate go test -count=1 -run ^TestReferenceIsCurrent$ -update .

// Config is the configuration of `holdfast serve`. Its zero value is not valid: start from [Default]
// or [Edge].
type Config struct {
	// Listen is the list of listeners, as URLs. `mqtt://HOST:PORT` is MQTT over TCP (the port is 1883
	// when left out, any free port when 0; an empty HOST is every address of the machine), `mqtts://` the
	// same with TLS (8883), `ws://HOST:PORT/PATH` MQTT over WebSocket (80, the path is /mqtt when left out),
	// `wss://` that with TLS (443); `auto://` finds out which of them a client speaks (1883);
	// `unix:///PATH` is MQTT over a Unix socket. `ximp://` (1885) and `miop://` (1884) are for devices that speak
	// those protocols, `ximps://` (8885) and `miops://` (8884) the same with TLS, and at `dispatch://` (80) and `dispatchs://` (443)
	// clients of XIMP ask where to connect; native.md explains them. In the environment the URLs are separated by commas, those within options do no harm.
	//
	// Options may follow behind a question mark, with & between them: `app=NAME` puts clients into an App;
	// `client-cert=none|optional|required` asks for the certificates of clients (required has `auto://` speak nothing
	// without TLS); `proxy=ADDRESS/BITS,…` names the proxies that tell the address of the client by the PROXY protocol, version 1 or 2; `max-connections=N` and
	// `connect-rate=N` bound the connections of the listener and how many new ones it takes a second, besides limits;
	// `origins=https://HOST,…` names the web sites whose pages may ask for a WebSocket, of MQTT or of ximp: when left out, all may, and who sends no
	// Origin, as only browsers do, always may;
	// `protocols=mqtt,ximp,miop,dispatch` says what `auto://` finds out about (only MQTT when left out), and `profile=FILE`
	// names a file of settings for ximp, miop and dispatch.
	//
	// A list given at one place replaces the whole list of the places below it. A listener that other
	// machines can reach is refused while there is no authentication, unless allow_anonymous is set.
	Listen []string `yaml:"listen" usage:"listen on this URL: mqtt, mqtts, ws, wss, auto, ximp, ximps, miop, miops, dispatch or dispatchs://HOST:PORT, unix:///PATH (repeatable)"`

	// API is the HOST:PORT of the operators' HTTP API (/healthz, /readyz, /metrics), or `off`. The same
	// rule holds as for listen: only loopback addresses, unless allow_anonymous is set.
	API string `yaml:"api" usage:"HOST:PORT of the operators' HTTP API, or off"`

	// APIHosts are the host names by which the API may be asked for, without ports. If there are any, a request that names another
	// host in its Host header is refused, whatever its path: no web page gets at the API by having its own host's name point at the node's
	// address. Addresses and `localhost` may always be named. Without any, the header is looked at only where the API is reached at a loopback
	// address, for what is below /v1/. In the environment the names are separated by commas.
	APIHosts []string `yaml:"api_hosts"`

	// Data is the directory in which Sessions and messages are kept, which is made if it is not there. One
	// process may use it at a time. `memory` keeps them in RAM, where they end with the process.
	Data string `yaml:"data" usage:"directory in which Sessions and messages are kept, or memory"`

	// LogLevel is the least severe level that is logged: `debug`, `info`, `warn` or `error`.
	LogLevel string `yaml:"log_level" usage:"debug, info, warn or error"`

	// LogFormat is `text` (key=value) or `json` (one object a line). Logs go to standard error.
	LogFormat string `yaml:"log_format" usage:"text or json"`

	// AllowAnonymous permits listeners and an API address that other machines can reach although
	// nobody has to authenticate there.
	AllowAnonymous bool `yaml:"allow_anonymous" usage:"permit addresses other machines can reach, without authentication"`

	// TLS names the certificate of the listeners that have TLS.
	TLS TLS `yaml:"tls"`

	// Auth says who may connect, and what clients may do.
	Auth Auth `yaml:"auth"`

	// Limits says how many connections are let in, and from where, before a byte is read from them; and how fast
	// clients may publish. On SIGHUP limits and apps are read again.
	Limits Limits `yaml:"limits"`

	// Apps has the limits of Apps that have others than limits says, by name, as in `apps: {meters: {max_connections: 1000}}`.
	// A key that is left out is as there, 0 is no limit. The keys are `max_connections`, `max_subscriptions`,
	// `max_queued_messages`, `max_queued_bytes`, `messages` and `bytes`, which stand for the settings of limits that begin with `app_`;
	// `client_messages` and `client_bytes`; and `max_retained` instead of broker.max_retained. The App of clients that have no
	// other is `default`. In the environment it is one line of YAML, `{meters: {max_connections: 1000}}`.
	Apps Apps `yaml:"apps"`

	// Overload says from when on a node that has too much to do does less of what it can do without.
	Overload Overload `yaml:"overload"`

	// Broker holds the limits of sessions, messages and connections.
	Broker Broker `yaml:"broker"`

	// Storage says how what is in the data directory is written, and how much of it is kept.
	Storage Storage `yaml:"storage"`
}

// TLS are the files of all listeners that have TLS. They are read again when they change.
type TLS struct {
	// Cert is the file of the certificate in PEM, with those that lead to the root behind it.
	Cert string `yaml:"cert" usage:"certificate of TLS listeners, a PEM file"`

	// Key is the file of its private key in PEM.
	Key string `yaml:"key" usage:"private key of the certificate, a PEM file"`

	// CA is the file of the certificates, in PEM, by which those of clients are verified, on listeners with the
	// option client-cert.
	CA string `yaml:"ca" usage:"certificates that vouch for clients, a PEM file"`
}

// Auth names the authenticators, of which the first that knows a client decides, in the order that docs/security.md
// tells; and the rules. With none of them everybody is let in. Files are read again when they change.
type Auth struct {
	// PasswordFile is a file of users and hashes of their passwords, as `holdfast passwd` writes it.
	PasswordFile string `yaml:"password_file" usage:"file of users and password hashes (see holdfast passwd)"`

	// ScramFile is a file of users for SCRAM-SHA-256, an authentication method of MQTT 5, as `holdfast passwd
	// --scram` writes it. The password is never sent then.
	ScramFile string `yaml:"scram_file"`

	// JWTSecretFile is a file that holds the secret of JSON Web Tokens signed with HS256, HS384 or HS512. Clients
	// send their token as password.
	JWTSecretFile string `yaml:"jwt_secret_file"`

	// JWTKeyFile is a PEM file of the public keys of JSON Web Tokens signed with RS, PS, ES or EdDSA.
	JWTKeyFile string `yaml:"jwt_key_file"`

	// JWTKeysURL is the URL of a JSON Web Key Set, which is fetched again every ten minutes.
	JWTKeysURL string `yaml:"jwt_keys_url"`

	// JWTIssuer is what `iss` of a token must be; empty is anybody.
	JWTIssuer string `yaml:"jwt_issuer"`

	// JWTAudience is what `aud` of a token must hold; empty is anything.
	JWTAudience string `yaml:"jwt_audience"`

	// CertificateUser is the field of a client's certificate that is its User Name: `cn`, `ou`, `san_dns`,
	// `san_uri` or `san_email`. Empty does not go by certificates.
	CertificateUser string `yaml:"certificate_user"`

	// CertificateClientID is the field that is its Client Identifier; empty leaves that to the client. It goes with certificate_user, which may be
	// the same field: the User Name would be what the client says, and might be that of somebody whom another authenticator knows.
	CertificateClientID string `yaml:"certificate_client_id"`

	// HTTPURL is the URL of a web service that is asked about clients; docs/security.md has what it is sent.
	HTTPURL string `yaml:"http_url"`

	// HTTPHeaderFile is a file with the value of the header Authorization that the service is sent; empty is none.
	HTTPHeaderFile string `yaml:"http_header_file"`

	// HTTPTimeout is how long the service may take for one answer, waiting for its turn included, 10 ms to 8 s.
	HTTPTimeout time.Duration `yaml:"http_timeout"`

	// HTTPPlain permits http:// in http_url and jwt_keys_url, over which secrets go in clear.
	HTTPPlain bool `yaml:"http_plain"`

	// Anonymous lets in clients without User Name and password although there are authenticators.
	Anonymous bool `yaml:"anonymous" usage:"let in clients without user name and password too"`

	// FailuresExempt are addresses and ADDRESS/BITS whose failed attempts are not counted: gateways behind which many devices are, and
	// load balancers that do not tell the client's address by the PROXY protocol. After 20 attempts with a wrong password all others from
	// the same address are refused for a while. In the environment they are separated by commas.
	FailuresExempt []string `yaml:"failures_exempt"`

	// BanFile is a file of Client Identifiers and User Names that are kept away, whatever they authenticate with and by whatever
	// protocol; docs/security.md explains it. Who is connected already stays until it is kicked.
	BanFile string `yaml:"ban_file"`

	// ACLFile is a file of rules that say what clients may publish and subscribe to; docs/security.md explains
	// them. Without it a node with authenticators keeps clients from the inboxes of others, and from $SYS.
	ACLFile string `yaml:"acl_file" usage:"file of rules: what clients may do"`

	// SysUsers are the users who may subscribe to $SYS when there is no acl_file, separated by commas.
	SysUsers string `yaml:"sys_users"`

	// ForbiddenPublish says what a client gets that publishes what it may not. `refuse` refuses the message: with
	// 0x87 in MQTT 5 at QoS 1 and 2, and with an acknowledgement in MQTT 3, which knows no other answer; nobody gets it.
	// `disconnect` ends its connection, in MQTT 5 with 0x87.
	ForbiddenPublish string `yaml:"forbidden_publish"`
}

// Exempt are the addresses of FailuresExempt. After a successful [Config.Validate] it cannot fail.
func (a *Auth) Exempt() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range a.FailuresExempt {
		p, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// Required tells whether clients have to say who they are.
func (a *Auth) Required() bool { return a.configured() && !a.Anonymous }

// configured tells whether there is an authenticator.
func (a *Auth) configured() bool {
	return a.PasswordFile != "" || a.ScramFile != "" || a.ByToken() || a.HTTPURL != "" || a.ByCertificate()
}

// ByToken tells whether clients are known by tokens.
func (a *Auth) ByToken() bool {
	return a.JWTSecretFile != "" || a.JWTKeyFile != "" || a.JWTKeysURL != ""
}

// ByCertificate tells whether clients are known by their certificates.
func (a *Auth) ByCertificate() bool { return a.CertificateUser != "" || a.CertificateClientID != "" }

// Limits bounds connections, Apps, and how fast clients publish. A connection that is over a limit of the node, its listener or its address
// is closed at once, before TLS. 0 is no limit.
type Limits struct {
	// MaxConnections is the largest number of connections of the node.
	MaxConnections int `yaml:"max_connections"`

	// MaxPerAddress is the largest number of connections from one address; IPv6 addresses count by their /64.
	MaxPerAddress int `yaml:"max_per_address"`

	// ConnectRate is how many new connections the node takes a second; as many may come at once.
	ConnectRate int `yaml:"connect_rate"`

	// AddressRate is how many new connections one address may make a second; as many may come at once.
	AddressRate int `yaml:"address_rate"`

	// AllowFile is a file of addresses and ADDRESS/BITS, one a line, that alone may connect. It is read again when
	// it changes.
	AllowFile string `yaml:"allow_file"`

	// DenyFile is a file of such that may not.
	DenyFile string `yaml:"deny_file"`

	// ClientMessages is how many messages one client may publish a second; as many may come at once after a silence.
	// One that is faster is slowed, and loses nothing: its further messages wait, in the network at last.
	ClientMessages int `yaml:"client_messages"`

	// ClientBytes is how many bytes of PUBLISH packets one client may send a second; as many may come at once.
	ClientBytes Size `yaml:"client_bytes"`

	// AppMaxConnections is the largest number of clients of one App that are connected. Further ones get 0x97, in MQTT 3 return
	// code 3; one that takes over its own connection is let in. This one and those below that begin with `app_` hold for each App for which apps
	// says nothing else.
	AppMaxConnections int `yaml:"app_max_connections"`

	// AppMaxSubscriptions is the largest number of subscriptions of all Sessions of an App together. Further ones get 0x97, in MQTT 3
	// 0x80.
	AppMaxSubscriptions int `yaml:"app_max_subscriptions"`

	// AppMaxQueuedMessages is the largest number of QoS 1 and 2 messages in the queues and mailboxes of all Sessions of an App
	// together. A message that a Session would have to keep is refused beyond it, whatever broker.mailbox_policy says: with 0x97, in MQTT 3 by closing the
	// connection after a while. docs/security.md tells what is counted.
	AppMaxQueuedMessages int `yaml:"app_max_queued_messages"`

	// AppMaxQueuedBytes bounds the same by bytes, of which each message counts for 64 more than its own. It is at least
	// broker.max_packet_size and these 64 B, or the largest message could never be kept.
	AppMaxQueuedBytes Size `yaml:"app_max_queued_bytes"`

	// AppMessages is how many messages all clients of an App together may publish a second; as many may come at once.
	AppMessages int `yaml:"app_messages"`

	// AppBytes is how many bytes of PUBLISH packets all of them together may send a second; as many may come at once.
	AppBytes Size `yaml:"app_bytes"`
}

// Overload are the thresholds of what is measured once a second, each for the levels elevated, high and critical;
// docs/operations.md says what is done at each level.
type Overload struct {
	// Mode is what is done: `protect` takes the steps of the level, `watch` takes none and shows the level all the
	// same, in the metrics, in the log and as a warning of /readyz. `off` measures nothing.
	Mode string `yaml:"mode"`

	// LoopLag is how late the event loops are, as three durations, or `off`. Two measurements in a row count.
	LoopLag string `yaml:"loop_lag"`

	// Memory is the part of the memory in use that cannot be reclaimed, as three percentages, or `off`: of the limit of
	// the cgroup or of one above it, of GOMEMLIMIT, or of the memory of the machine; the nearest counts.
	Memory string `yaml:"memory"`

	// CommitTime is how long a commit of the store takes, as three durations, or `off`. Two measurements in a row
	// count. With data in memory there are no commits.
	CommitTime string `yaml:"commit_time"`

	// Quiet is how long what is measured must have been lower until the next lower level holds, 1 s to 1 h.
	Quiet time.Duration `yaml:"quiet"`

	// CloseSlowest is how many connections are closed a second at the level critical: those whose clients have most to
	// read and do not. 0 is none.
	CloseSlowest int `yaml:"close_slowest"`
}

// InMemory is the Data of a broker that keeps nothing on disk, DefaultData the one of a broker that has been
// told nothing.
const (
	InMemory    = "memory"
	DefaultData = "holdfast-data"
)

// The values of Mode, ForbiddenPublish, MailboxPolicy and Sync.
const (
	Protect      = "protect"
	Watch        = "watch"
	Off          = "off"
	Refuse       = "refuse"
	Disconnect   = "disconnect"
	RejectNew    = "reject-new"
	DropOldest   = "drop-oldest"
	SyncAlways   = "always"
	SyncInterval = "interval"
	SyncNever    = "never"
)

// Broker holds the limits. A limit that a client may lower for itself (Receive Maximum, Maximum
// Packet Size, Keep Alive) is the upper end here.
type Broker struct {
	// Loops is the number of event loops. 0 means one for each CPU.
	Loops int `yaml:"loops"`

	// MaxInflight is the largest number of QoS 1 and 2 messages sent to one client and not yet
	// acknowledged by it, 1 to 65,535. The lower of this and the client's Receive Maximum holds. A
	// transient Session needs one byte for each that is in flight.
	MaxInflight int `yaml:"max_inflight"`

	// MaxQueuedMessages is the largest number of QoS 1 and 2 messages that wait for one Session, on top
	// of those in flight: in RAM, or in its mailbox on disk. What happens when it is reached is said by
	// mailbox_policy.
	MaxQueuedMessages int `yaml:"max_queued_messages"`

	// MaxQueuedBytes bounds the same queue by its payload bytes. It is at least max_packet_size, or a
	// message of the largest size could never be queued.
	MaxQueuedBytes Size `yaml:"max_queued_bytes"`

	// MailboxPolicy says what happens to a message for a Session whose queue or mailbox is full.
	// `reject-new` has its publisher wait while the client is connected, and refuses it otherwise: what was
	// acknowledged is not dropped. `drop-oldest` has the oldest messages leave instead, which are counted, those
	// excepted that have been sent and are not acknowledged yet.
	MailboxPolicy string `yaml:"mailbox_policy"`

	// MaxWaitingMessages is the largest number of publishes that may wait for one Session whose queue is
	// full, of all publishers together. Beyond it they are refused: an MQTT 5 publisher gets 0x97, the
	// connection of an MQTT 3 publisher rests and is closed without an acknowledgement.
	MaxWaitingMessages int `yaml:"max_waiting_messages"`

	// MaxWaitingBytes bounds the same by bytes. It is at least max_packet_size.
	MaxWaitingBytes Size `yaml:"max_waiting_bytes"`

	// MaxRetained is the largest number of retained messages.
	MaxRetained int `yaml:"max_retained"`

	// MaxSubscriptions is the largest number of subscriptions of one Session.
	MaxSubscriptions int `yaml:"max_subscriptions"`

	// MaxPacketSize is the largest MQTT Control Packet accepted from a client, 1 KiB to 256 MiB; MQTT 5
	// clients are told it. Before CONNECT has been accepted 64 KiB is the bound, whatever this says.
	MaxPacketSize Size `yaml:"max_packet_size"`

	// ReceiveMaximum is the number of QoS 1 and 2 messages one MQTT 5 client may have sent without their
	// acknowledgement, 1 to 65,535.
	ReceiveMaximum int `yaml:"receive_maximum"`

	// TopicAliasMaximum is the number of Topic Aliases in each direction of an MQTT 5 connection, 0 to
	// 65,535. 0 means none. They cost memory only when they are used.
	TopicAliasMaximum int `yaml:"topic_alias_maximum"`

	// MaxKeepAlive is the longest Keep Alive a client may ask for, in whole seconds up to 65,535 s; MQTT 5
	// clients that ask for more, or for none, are told this one. 0 means no limit.
	MaxKeepAlive time.Duration `yaml:"max_keep_alive"`

	// SessionExpiryMax is the longest time a Session is kept after its connection has ended, in whole
	// seconds. It is also the time for clients of MQTT 3.1 and 3.1.1 that connect with Clean Session 0.
	// 0 means no limit: a client that never comes back leaves its Session for ever.
	SessionExpiryMax time.Duration `yaml:"session_expiry_max"`

	// FlashTimeout is how long a Session that is to last and has lost its connection keeps in RAM what it
	// has there, so that a client which is soon back needs nothing from the disk. 0 means not at all.
	FlashTimeout time.Duration `yaml:"flash_timeout"`

	// FlashSessions is the largest number of such Sessions at a time, 1 to 10,000,000. Beyond it they go
	// to sleep at once.
	FlashSessions int `yaml:"flash_sessions"`

	// FlashBytes bounds the memory of all of them together: 512 B for each and their messages.
	FlashBytes Size `yaml:"flash_bytes"`

	// InboxExpiry is how long what is published to `inbox/CLIENT_ID` is kept for a device that has no
	// Session, in whole seconds. A message leaves earlier when storage.mailbox_age has passed.
	InboxExpiry time.Duration `yaml:"inbox_expiry"`

	// AutoSubscribe is a list of subscriptions that every client has from when it connects, each as in
	// `qos=1 devices/%c/in`: options, then the Topic Filter, which is the rest. The options are
	// `qos=0` to `qos=2` (0 when left out), `no_local`, `retain_as_published` and `retain_handling=0` to
	// `retain_handling=2` (0 when left out). In the Topic Filter `%c` stands for the Client Identifier, `%u` for the
	// User Name, `%a` for the App and `%%` for a percent sign; a client that lacks one of them, in
	// whose name there is a wildcard or a slash, or whose name makes the first level begin with `$` or be inbox, group or broadcast, does not get that
	// subscription. A client may replace a subscription by one of
	// its own, and end it until it connects again. In the environment the items are separated by commas.
	AutoSubscribe Subscriptions `yaml:"auto_subscribe" usage:"subscription of every client, as in 'qos=1 devices/%c/in' (repeatable)"`

	// SysInterval is the time between two publications of what has changed of the $SYS topics, at least 1 s. 0 means that
	// there are none. Each App, of the first 100 that have come up, is told of itself; the default App of the node's memory too.
	SysInterval time.Duration `yaml:"sys_interval"`

	// SlowConsumerTimeout is how long a client may hold up publishers without taking anything, at least
	// 1 s, before its connection is ended.
	SlowConsumerTimeout time.Duration `yaml:"slow_consumer_timeout"`
}

// Storage is how the data directory is used. Nothing of it has an effect when Data is [InMemory].
type Storage struct {
	// Sync says when what is written is forced onto the disk. `always`: before it is acknowledged, so that
	// it survives a loss of power. `interval`: every sync_every; what was acknowledged survives the end of the
	// process at any moment, but a loss of power takes the last sync_every. `never`: when the operating
	// system likes, some 30 s later.
	Sync string `yaml:"sync" usage:"when writes are forced onto the disk: always, interval or never"`

	// SyncEvery is the time between two syncs when sync is `interval`, 1 ms to 1 h.
	SyncEvery time.Duration `yaml:"sync_every"`

	// CommitDelay is how long a write may wait for others to be written with it, 0 to 1 s. A message that
	// its device acknowledges in this time is never written. Acknowledgements of publishers wait as long.
	CommitDelay time.Duration `yaml:"commit_delay"`

	// MaxPending is how many bytes may wait to be written, at least 1 MiB and at least broker.max_packet_size.
	// Publishes beyond it are refused: with a slow disk this bounds the memory.
	MaxPending Size `yaml:"max_pending"`

	// MinFree is how much of the disk is left free, at least 128 MiB. When there is less, QoS 1 and 2 publishes
	// are refused until there is an eighth more; QoS 0 and what is stored already are served on. With less
	// than 512 MiB a disk that others fill as well may end the process.
	MinFree Size `yaml:"min_free"`

	// MailboxAge is how long a message is kept for a Session that does not fetch it, in whole seconds from
	// one minute to 10 years. Messages of `broadcast/APP` are kept as long.
	MailboxAge time.Duration `yaml:"mailbox_age"`

	// LogMessages is how many messages published to `broadcast/APP` are kept for Sessions that are
	// away. The oldest leave when there are more.
	LogMessages int `yaml:"log_messages"`

	// LogBytes bounds the same by bytes. It is at least broker.max_packet_size.
	LogBytes Size `yaml:"log_bytes"`
}

// Default returns the configuration of a broker that has been told nothing: MQTT and API on loopback,
// data in ./holdfast-data. Each call returns its own copy.
func Default() *Config {
	return &Config{
		Listen:    []string{"mqtt://127.0.0.1:1883"},
		API:       "127.0.0.1:8088",
		APIHosts:  []string{},
		Data:      DefaultData,
		LogLevel:  "info",
		LogFormat: "text",
		Apps:      Apps{},
		Auth:      Auth{HTTPTimeout: 2 * time.Second, FailuresExempt: []string{}, ForbiddenPublish: Refuse},
		Overload: Overload{
			Mode:       Protect,
			LoopLag:    "250ms 1s 4s",
			Memory:     "80% 90% 95%",
			CommitTime: "250ms 1s 4s",
			Quiet:      10 * time.Second,

			CloseSlowest: 10,
		},
		Broker: Broker{
			MaxInflight:         32768,
			MaxQueuedMessages:   1000,
			MaxQueuedBytes:      1 << 20,
			MaxWaitingMessages:  65536,
			MaxWaitingBytes:     64 << 20,
			MaxRetained:         1_000_000,
			MaxSubscriptions:    1000,
			MaxPacketSize:       1 << 20,
			ReceiveMaximum:      1024,
			TopicAliasMaximum:   32,
			SessionExpiryMax:    7 * 24 * time.Hour,
			SysInterval:         10 * time.Second,
			SlowConsumerTimeout: 20 * time.Second,
			MailboxPolicy:       RejectNew,
			FlashTimeout:        30 * time.Second,
			FlashSessions:       100_000,
			FlashBytes:          64 << 20,
			InboxExpiry:         7 * 24 * time.Hour,
			AutoSubscribe:       Subscriptions{},
		},
		Storage: Storage{
			Sync:        SyncAlways,
			SyncEvery:   100 * time.Millisecond,
			CommitDelay: time.Millisecond,
			MaxPending:  64 << 20,
			MinFree:     512 << 20,
			MailboxAge:  7 * 24 * time.Hour,
			LogMessages: 1000,
			LogBytes:    64 << 20,
		},
	}
}

// Edge returns the preset for a small machine at the network's edge that holds very many mostly idle
// connections: the defaults with smaller windows, queues and packets, and rarer $SYS topics.
func Edge() *Config {
	c := Default()
	c.Broker.MaxInflight = 1024
	c.Broker.MaxQueuedMessages = 200
	c.Broker.MaxQueuedBytes = 256 << 10
	c.Broker.MaxWaitingMessages = 4096
	c.Broker.MaxWaitingBytes = 4 << 20
	c.Broker.MaxRetained = 100_000
	c.Broker.MaxSubscriptions = 100
	c.Broker.MaxPacketSize = 128 << 10
	c.Broker.ReceiveMaximum = 64
	c.Broker.TopicAliasMaximum = 8
	c.Broker.SysInterval = time.Minute
	c.Broker.SlowConsumerTimeout = 10 * time.Second
	c.Broker.FlashSessions = 10_000
	c.Broker.FlashBytes = 8 << 20
	c.Storage.MaxPending = 16 << 20
	c.Storage.LogMessages = 200
	c.Storage.LogBytes = 8 << 20
	return c
}
