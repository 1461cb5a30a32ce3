package crash

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mostPerRule is how many faults of one rule are told with their history.
const mostPerRule = 5

var kindTexts = map[kind]string{
	sent: "-> PUBLISH", acked: "<- acknowledged", refused: "<- refused", completed: "<- PUBCOMP",
	abandoned: "   given up with the Session", received: "<- PUBLISH, new", repeated: "<- PUBLISH, had it",
	ackSent: "-> acknowledgement", ackSeen: "   acknowledgement read by the server",
}

// report tells of faults, each with the history of its message; "" if there are none.
func (l *ledger) report(faults []fault) string {
	if len(faults) == 0 {
		return ""
	}
	var b strings.Builder
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.rule, b.rule) })
	for len(faults) > 0 {
		n := slices.IndexFunc(faults, func(f fault) bool { return f.rule != faults[0].rule })
		if n < 0 {
			n = len(faults)
		}
		fmt.Fprintf(&b, "rule %s: %d fault(s)\n", faults[0].rule, n)
		for _, f := range faults[:min(n, mostPerRule)] {
			fmt.Fprintf(&b, "  %s\n%s", f.text, l.history(f.message))
		}
		if n > mostPerRule {
			fmt.Fprintf(&b, "  and %d more\n", n-mostPerRule)
		}
		faults = faults[n:]
	}
	return b.String()
}

// history tells all that has happened to m, one line an event, and the kills between.
func (l *ledger) history(m *message) string {
	if m == nil || len(m.events) == 0 {
		return ""
	}
	var b strings.Builder
	t := &l.topics[m.key.topic]
	fmt.Fprintf(&b, "    history of %s, topic %s, QoS %d:\n", m.key, t.name, t.qos)
	round := 0
	for round < len(l.kills) && l.kills[round].order < m.events[0].order {
		round++
	}
	for _, e := range m.events {
		for ; round < len(l.kills) && l.kills[round].order < e.order; round++ {
			fmt.Fprintf(&b, "    %9.3f s  SIGKILL ends round %d\n", l.kills[round].at.Seconds(), round)
		}
		dup := ""
		if e.dup {
			dup = " DUP"
		}
		fmt.Fprintf(&b, "    %9.3f s  round %-3d client %-3d %s%s (Packet Identifier %d)\n",
			e.at.Seconds(), e.round, e.client, kindTexts[e.kind], dup, e.id)
	}
	return b.String()
}
