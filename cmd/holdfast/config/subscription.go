package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-mqtt/holdfast/broker"
	"github.com/holdfast-mqtt/holdfast/broker/topic"
)

// Subscriptions is a list of subscriptions, each as [ParseSubscription] reads it.
type Subscriptions []string

// splitSubscriptions reads a list whose items are separated by commas.
func splitSubscriptions(text string) Subscriptions {
	list := Subscriptions{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// subscriptionOptions are the words that may come before a Topic Filter, by what they set.
var subscriptionOptions = map[string]func(*options){
	"qos=0":               func(o *options) { o.qos = 0 },
	"qos=1":               func(o *options) { o.qos = 1 },
	"qos=2":               func(o *options) { o.qos = 2 },
	"no_local":            func(o *options) { o.noLocal = true },
	"retain_as_published": func(o *options) { o.retainAsPublished = true },
	"retain_handling=0":   func(o *options) { o.retainHandling = 0 },
	"retain_handling=1":   func(o *options) { o.retainHandling = 1 },
	"retain_handling=2":   func(o *options) { o.retainHandling = 2 },
}

type options struct {
	qos, retainHandling        uint8
	noLocal, retainAsPublished bool
}

// ParseSubscription reads an item of broker.auto_subscribe: words that are options, then the Topic Filter,
// which is the rest of the line and may hold placeholders. The result is valid.
func ParseSubscription(line string) (broker.AutoSubscription, error) {
	var o options
	var given []string
	rest := strings.TrimSpace(line)
	for {
		word, after, more := strings.Cut(rest, " ")
		set, ok := subscriptionOptions[word]
		if !ok || !more {
			break
		}
		name, _, _ := strings.Cut(word, "=")
		if slices.Contains(given, name) {
			return broker.AutoSubscription{}, fmt.Errorf("%s is given twice", name)
		}
		given = append(given, name)
		set(&o)
		rest = strings.TrimLeft(after, " ")
	}
	a := broker.AutoSubscription{
		TopicFilter: rest,
		Options:     topic.NewOptions(o.qos, o.noLocal, o.retainAsPublished, o.retainHandling),
	}
	return a, checkSubscription(&a, &o)
}

func checkSubscription(a *broker.AutoSubscription, o *options) error {
	word, _, more := strings.Cut(a.TopicFilter, " ")
	name, _, isAssignment := strings.Cut(word, "=")
	switch _, isOption := subscriptionOptions[word]; {
	case a.TopicFilter == "":
		return errors.New("there is no Topic Filter")
	case isOption && !more:
		return fmt.Errorf("there is no Topic Filter behind %s", word)
	case more && !strings.Contains(word, "/") && (isAssignment || nearOption(name) != ""):
		// A Topic Filter may hold blanks, but a misspelled option must not become part of one.
		return fmt.Errorf("unknown option %q%s", word, nearOption(name))
	case unknownPlaceholder(a.TopicFilter) != "":
		return fmt.Errorf("unknown placeholder %q: there are %%c, %%u, %%a, and %%%% for a percent sign", unknownPlaceholder(a.TopicFilter))
	case strings.HasPrefix(a.TopicFilter, "inbox/"):
		return errors.New("a client has its own inbox without a subscription, and may not have another's")
	case o.noLocal && strings.HasPrefix(a.TopicFilter, "$share/"):
		return errors.New("no_local is not allowed with a Shared Subscription") // v5 [MQTT-3.8.3-4]
	}
	if err := a.Validate(); err != nil {
		return fmt.Errorf("%q is not a Topic Filter: %w", a.TopicFilter, err)
	}
	return nil
}

// unknownPlaceholder is the first percent sign that stands for nothing, with what follows it, or "".
func unknownPlaceholder(filter string) string {
	for {
		_, after, found := strings.Cut(filter, "%")
		switch {
		case !found:
			return ""
		case after == "" || !strings.Contains("cua%", after[:1]):
			return "%" + string([]rune(after)[:min(len([]rune(after)), 1)])
		}
		filter = after[1:]
	}
}

// nearOption is a hint at the option that name may be meant to be, or "".
func nearOption(name string) string {
	return didYouMean(name, []string{"qos", "no_local", "retain_as_published", "retain_handling"})
}

// AutoSubscriptions parses the auto_subscribe setting. After a successful [Config.Validate] it cannot fail.
func (b *Broker) AutoSubscriptions() ([]broker.AutoSubscription, error) {
	out := make([]broker.AutoSubscription, 0, len(b.AutoSubscribe))
	for _, text := range b.AutoSubscribe {
		a, err := ParseSubscription(text)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
