package broker

import "testing"

// Whoever chooses a name must not thereby choose a topic: rules are not asked about these subscriptions.
func TestAutoSubscriptionExpand(t *testing.T) {
	for _, tt := range []struct{ filter, clientID, user, want string }{
		{"devices/%c/in", "pump-1", "", "devices/pump-1/in"},
		{"devices/%c", "pump-2/in", "", ""},
		{"devices/%c", "+", "", ""},
		{"devices/%c", "#", "", ""},
		{"users/%u", "c", "a/b", ""},
		{"users/%u", "c", "", ""},
		{"100%%/%a", "c", "", "100%/default"},
		{"%c/#", "pump-1", "", "pump-1/#"},
		{"%c/#", "$SYS", "", ""},
		{"%c/#", "inbox", "", ""},
		{"%c/t", "$share", "", ""},
		{"%c/g/t", "$share", "", ""},
		{"in%c/x", "box", "", ""},
		{"%c%u/x", "gro", "up", ""},
		{"%c", "broadcast", "", ""},
		{"$share/%c/t", "g", "", "$share/g/t"},
		{"$share/g/%c/t", "pump-1", "", "$share/g/pump-1/t"},
		{"$share/g/%c/#", "$SYS", "", ""},
		{"$own/%c", "inbox", "", "$own/inbox"},
		{"$%c/x", "own", "", "$own/x"},
		{"inbox-of/%c", "inbox", "", "inbox-of/inbox"},
		{"broadcast/%a", "c", "", "broadcast/default"},
	} {
		a := &AutoSubscription{TopicFilter: tt.filter}
		got, ok := a.expand(tt.clientID, tt.user, DefaultApp)
		if ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s for %q, %q: got %q, %v, want %q", tt.filter, tt.clientID, tt.user, got, ok, tt.want)
		}
	}
}
