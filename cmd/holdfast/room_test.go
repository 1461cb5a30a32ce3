package main

import (
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
	"github.com/holdfast-mqtt/holdfast/cmd/holdfast/config"
	"github.com/holdfast-mqtt/holdfast/storage/badger"
)

// Every setting reaches what it is a setting of; the operator's 0, which is none, is not taken for the default.
func TestSettingsArrive(t *testing.T) {
	c := config.Default()
	c.Broker = config.Broker{
		MaxInflight: 1, MaxQueuedMessages: 2, MaxQueuedBytes: 3, MaxWaitingMessages: 4, MaxWaitingBytes: 5, MaxRetained: 6,
		MaxSubscriptions: 7, SlowConsumerTimeout: 8, MailboxPolicy: config.DropOldest, FlashSessions: 9, FlashBytes: 10,
		InboxExpiry: 11, AutoSubscribe: config.Subscriptions{"qos=2 a/%c"},
	}
	c.Limits.AppMaxConnections = 100
	c.Apps = config.Apps{"x": {MaxSubscriptions: new(101), MaxQueuedBytes: new(config.Size(102))}}
	got, err := brokerConfig(c)
	for app, want := range map[string]broker.AppLimits{
		"x": {MaxConnections: 100, MaxRetained: 6, MaxSubscriptions: 101, MaxQueuedBytes: 102}, "y": {MaxConnections: 100, MaxRetained: 6},
	} {
		if got := got.AppLimits(app); got != want {
			t.Errorf("App %s: got %+v, want %+v", app, got, want)
		}
	}
	got.AppLimits = nil // functions are not compared
	want := broker.Config{
		MaxInflight: 1, MaxQueuedMessages: 2, MaxQueuedBytes: 3, MaxWaitingMessages: 4, MaxWaitingBytes: 5, MaxRetained: 6,
		MaxSubscriptions: 7, SlowConsumerTimeout: 8, DropOldest: true, FlashSessions: 9, FlashBytes: 10, InboxExpiry: 11,
		AutoSubscribe:    []broker.AutoSubscription{{TopicFilter: "a/%c", Options: topic.NewOptions(2, false, false, 0)}},
		MaxSessionExpiry: -1, FlashTimeout: -1,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("broker: got %+v, %v, want %+v", got, err, want)
	}
	c.Broker.MailboxPolicy = config.RejectNew
	if got, err := brokerConfig(c); err != nil || got.DropOldest {
		t.Errorf("%s: got %+v, %v, want the oldest messages kept", config.RejectNew, got, err)
	}

	c.Data = "dir"
	c.Storage = config.Storage{SyncEvery: time.Second, MaxPending: 1, MinFree: 2, MailboxAge: 3, LogMessages: 4, LogBytes: 5}
	for name, mode := range map[string]badger.SyncMode{
		config.SyncAlways: badger.SyncAlways, config.SyncInterval: badger.SyncInterval, config.SyncNever: badger.SyncNever,
	} {
		c.Storage.Sync = name
		want := badger.Options{
			Dir: "dir", Sync: mode, SyncEvery: time.Second, CommitDelay: -1, MaxPending: 1, MinFree: 2, MailboxAge: 3, LogMessages: 4, LogBytes: 5,
		}
		if got := diskOptions(c); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
