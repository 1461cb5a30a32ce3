// Package acl decides what clients may do, by a list of rules that an operator writes.
//
// # The file
//
//	default: deny            # what no rule decides; deny if left out
//	rules:                   # in this order, the first that applies decides
//	  - permit: allow        # or deny; the only key that is required
//	    users: [backend-*]   # User Names; * is any run of characters, ? is any one
//	    clients: [pump-1]    # Client Identifiers
//	    apps: [default]      # Apps
//	    addresses: [10.0.0.0/8, "::1"]
//	    action: publish      # subscribe, or all, which is what a rule without it is about
//	    topics: [devices/+/up, "users/%u/#"]
//	    retain: false        # publishing only: messages that are, or are not, to be retained
//	    max_qos: 1           # allow only: not above this QoS
//
// A rule applies to a request if all that it names does; a list applies if one of its items does, and a list
// that is left out applies to everybody. A client without a User Name is in no list of users, one
// on a Unix socket in no list of addresses.
//
// # Topics
//
// Topics are Topic Filters. A message is within one if the filter matches its Topic Name.
// A subscription is another matter, as its own filter stands for many names: a rule that allows applies if its filter covers
// the one that is asked for, so that a/# covers a/b/+ and a/+ does not cover a/#; a rule that denies
// applies if the two have a single name in common. So 'deny secret/#' forbids to subscribe to '#' too, while a
// filter that begins with a wildcard has nothing in common with topics that begin with '$':
// v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]. It has nothing in common with inbox/{ClientID}
// either, which the broker delivers to that client and to no subscription.
//
// %c stands for the Client Identifier, %u for the User Name, %a for the App, %% for a percent sign. Whoever
// chooses a name must not thereby choose topics. So if the value
// holds '+', '#' or '/', or stands first in the filter and makes it begin with '$' or with the level inbox, group
// or broadcast, then a rule that allows does not apply, and one that denies applies to everything from that level
// on. If it is empty, neither applies.
//
// # Cost
//
// Check takes no lock and allocates nothing. Rules for users that are named in full are found by the name, so that a
// list for each of thousands of users is not walked; all others are tried in turn.
package acl
