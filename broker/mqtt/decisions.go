package mqtt

import (
	"hash/maphash"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// decisions remember what connections of one loop were allowed and denied of late. They are kept by the loop, not
// by the connection, so that one which is idle costs nothing, and any number of them no more than the table; each
// entry is of one connection all the same, and of no use to another. An entry is good as long as the
// connection's rights are the same, which are new when its client authenticates anew, and nobody's rules have
// changed. It goes when another needs its place. Only answers of broker.Stable hooks are kept.
type decisions struct {
	entries []decision // nil until the first one
	granted uint64     // rights that connections of the loop have been given
}

// Bounds of decisions, for each loop: entries, and bytes of a topic that is kept. Together they are 0.5 MiB, of which what is not used is not touched.
const (
	maxDecisions   = 4096 // a power of two
	maxDecidedName = 64
)

// decision is one answer.
type decision struct {
	rights      *rights
	own, common uint64 // generations of the Permissions and the Authorizer
	topic       [maxDecidedName]byte
	length      uint8 // of topic
	what        uint8 // whatOf
	answer      broker.Decision
}

var decisionSeed = maphash.MakeSeed()

// whatOf packs all but the topic of what is asked about.
func whatOf(a *broker.Access) uint8 {
	w := uint8(a.Action)<<3 | uint8(a.QoS)<<1
	if a.Retain {
		w |= 1
	}
	return w
}

// at returns the place of what a asks.
func (d *decisions) at(r *rights, a *broker.Access, what uint8) *decision {
	if d.entries == nil {
		d.entries = make([]decision, maxDecisions)
	}
	h := maphash.String(decisionSeed, a.Topic) + (r.number<<6|uint64(what))*0x9e3779b97f4a7c15
	return &d.entries[(h^h>>32)%maxDecisions]
}

// decide asks about a, or knows.
func (ls *loopState) decide(r *rights, a *broker.Access) broker.Decision {
	b, all := ls.srv.broker, ls.srv.cfg.Authorizer
	if !r.stable || len(a.Topic) > maxDecidedName {
		return b.Authorize(r.permissions, all, a)
	}
	own, common := generationOf(r.permissions), generationOf(all) // before they are asked: they may change meanwhile
	what := whatOf(a)
	e := ls.decisions.at(r, a, what)
	if e.rights == r && e.what == what && e.own == own && e.common == common && string(e.topic[:e.length]) == a.Topic {
		return e.answer
	}
	answer := b.Authorize(r.permissions, all, a)
	e.rights, e.own, e.common, e.what, e.answer = r, own, common, what, answer
	e.length = uint8(copy(e.topic[:], a.Topic))
	return answer
}

// generationOf is that of a hook which is stable or nil.
func generationOf(h any) uint64 {
	if s, ok := h.(broker.Stable); ok {
		return s.Generation()
	}
	return 0
}

// isStable tells whether answers of a hook may be kept; nil gives none.
func isStable(h any) bool {
	if h == nil {
		return true
	}
	_, ok := h.(broker.Stable)
	return ok
}
