package acl_test

import (
	"fmt"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/hooks/acl"
)

// An operator's rules: the back end writes to every device, a device to its own topics.
func ExampleParse() {
	rules, err := acl.Parse(strings.NewReader(`
rules:
  - permit: allow
    users: [backend]
    topics: [inbox/+, "devices/#"]
  - permit: allow
    topics: ["devices/%c/#", "inbox/%c"]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range []broker.Access{
		{User: "backend", Action: broker.ActionPublish, Topic: "inbox/pump-1"},
		{ClientID: "pump-1", Action: broker.ActionPublish, Topic: "devices/pump-1/state"},
		{ClientID: "pump-1", Action: broker.ActionSubscribe, Topic: "devices/+/state"},
		{ClientID: "+", Action: broker.ActionSubscribe, Topic: "devices/+/state"},
	} {
		fmt.Println(a.Topic, rules.OnACLCheck(&a) == broker.Allow)
	}
	// Output:
	// inbox/pump-1 true
	// devices/pump-1/state true
	// devices/+/state false
	// devices/+/state false
}

// Every fault of a file is reported, with its line.
func ExampleParse_faults() {
	_, err := acl.Parse(strings.NewReader("rules:\n- permit: maybe\n- permit: deny\n  topics: [a/#/b]\n"))
	fmt.Println(err)
	// Output:
	// line 2: "maybe" is neither allow nor deny
	// line 4: "a/#/b": wildcard in a wrong place of a topic filter
}
