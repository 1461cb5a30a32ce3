package acl

import (
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// parseRule reads one entry of the list.
func parseRule(n *yaml.Node, f *faults) rule {
	r := rule{actions: publishing | subscribing, maxQoS: 2}
	var limit *yaml.Node
	before := len(*f)
	section(n, f, "a rule", map[string]func(*yaml.Node){
		"permit":    func(n *yaml.Node) { r.permit = decision(n, f) },
		"users":     func(n *yaml.Node) { r.users = parseNames(n, f) },
		"clients":   func(n *yaml.Node) { r.clients = parseNames(n, f) },
		"apps":      func(n *yaml.Node) { r.apps = parseNames(n, f) },
		"addresses": func(n *yaml.Node) { r.addresses = parseAddresses(n, f) },
		"action":    func(n *yaml.Node) { r.actions = parseAction(n, f) },
		"topics":    func(n *yaml.Node) { r.topics = parseTopics(n, f) },
		"retain":    func(n *yaml.Node) { r.retain = parseRetain(n, f) },
		"max_qos":   func(n *yaml.Node) { limit, r.maxQoS = n, parseQoS(n, f) },
	})
	if len(*f) > before {
		return r // what the rule as a whole lacks may be what is wrong already
	}
	switch {
	case r.permit == broker.Ignore:
		f.add(n.Line, "a rule needs permit: allow or deny")
	case limit != nil && r.permit == broker.Deny:
		f.add(limit.Line, "max_qos is for rules that allow: it would deny the lower QoS and not the higher")
	case r.retain != nil && r.actions == subscribing:
		f.add(n.Line, "retain is for rules about publishing")
	}
	return r
}

// scalar returns the text of a value that is no list or mapping.
func scalar(n *yaml.Node, f *faults) (text string, ok bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		f.add(n.Line, "want a single value")
		return "", false
	}
	return n.Value, true
}

func decision(n *yaml.Node, f *faults) broker.Decision {
	text, ok := scalar(n, f)
	switch {
	case text == "allow":
		return broker.Allow
	case ok && text != "deny":
		f.add(n.Line, "%q is neither allow nor deny", text)
	}
	return broker.Deny
}

func parseAction(n *yaml.Node, f *faults) actions {
	text, ok := scalar(n, f)
	switch text {
	case "publish":
		return publishing
	case "subscribe":
		return subscribing
	}
	if ok && text != "all" {
		f.add(n.Line, "%q is none of publish, subscribe and all", text)
	}
	return publishing | subscribing
}

func parseRetain(n *yaml.Node, f *faults) *bool {
	var v bool
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Decode(&v) != nil {
		f.add(n.Line, "retain must be true or false")
		return nil
	}
	return &v
}

func parseQoS(n *yaml.Node, f *faults) broker.QoS {
	text, ok := scalar(n, f)
	if len(text) == 1 && text >= "0" && text <= "2" {
		return broker.QoS(text[0] - '0')
	}
	if ok {
		f.add(n.Line, "max_qos must be 0, 1 or 2")
	}
	return 0
}

// items hands each value of a list, which must not be empty, to use.
func items(n *yaml.Node, f *faults, use func(line int, text string)) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		// An empty list would apply to nobody, and looks as if it applied to everybody.
		f.add(n.Line, "want a list with an item at least")
		return
	}
	for _, item := range n.Content {
		text, ok := scalar(item, f)
		switch {
		case !ok:
		case text == "":
			f.add(item.Line, "an item is empty")
		default:
			use(item.Line, text)
		}
	}
}

func parseNames(n *yaml.Node, f *faults) *names {
	var list []string
	items(n, f, func(_ int, text string) { list = append(list, text) })
	return newNames(list)
}

func parseAddresses(n *yaml.Node, f *faults) []netip.Prefix {
	var list []netip.Prefix
	items(n, f, func(line int, text string) {
		p, err := parsePrefix(text)
		if err != nil {
			f.add(line, "%q is no address or CIDR", text)
			return
		}
		list = append(list, p)
	})
	return list
}

// parsePrefix reads an address, or a CIDR. The bits behind the prefix must be zero: whoever set them meant something else.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errAddress
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return netip.Prefix{}, errAddress
	}
	return p, nil
}

func parseTopics(n *yaml.Node, f *faults) []pattern {
	list := []pattern{}
	items(n, f, func(line int, text string) {
		p, err := parsePattern(text)
		if err != nil {
			f.add(line, "%v", err)
			return
		}
		list = append(list, p)
	})
	return list
}
