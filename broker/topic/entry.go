package topic

// entry holds the subscriptions to one Topic Filter, at least one. The usual
// filter of a push system has one subscriber, so that one is kept inline.
//
// Invariant: many == nil and one is the only subscription, or
// len(many.subs) >= 1 and one is zero.
type entry[S comparable] struct {
	one  Subscription[S]
	many *roster[S]
}

// put adds sub, or replaces the subscription of the same subscriber.
func (e *entry[S]) put(sub Subscription[S]) (existed bool) {
	if e.many != nil {
		return e.many.put(sub)
	}
	if e.one.Subscriber == sub.Subscriber {
		e.one = sub
		return true
	}
	e.many = &roster[S]{subs: []Subscription[S]{e.one, sub}}
	e.one = Subscription[S]{}
	return false
}

// remove takes out the subscription of s. If empty is true no subscription is
// left and the entry must be discarded.
func (e *entry[S]) remove(s S) (existed, empty bool) {
	if e.many == nil {
		existed = e.one.Subscriber == s
		return existed, existed
	}
	if !e.many.remove(s) {
		return false, false
	}
	if len(e.many.subs) == 1 {
		e.one, e.many = e.many.subs[0], nil
	}
	return true, false
}
