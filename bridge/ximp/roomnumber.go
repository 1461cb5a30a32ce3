package ximp

import "time"

// mostJump is by how much the number of a message may exceed the largest one that the room has had of late.
const mostJump = 10_000

// numbering is what is known of the numbers of a room's messages. Clients are told the largest, and take smaller ones that come later
// for old: so one number that is far too large would make all that follows old, for as long as the room is known. Such a number is not
// believed, unless none has come for a while, and what has been believed of late is forgotten when it gets old.
type numbering struct {
	since      time.Time // when the younger of two generations began
	young, old uint32    // the largest number in each; 0 is none
}

// believe tells whether a message that comes now may have the number id. newest, the largest number, is then the one that it returns;
// a generation lasts span.
func (n *numbering) believe(id, newest uint32, now time.Time, span time.Duration) (uint32, bool) {
	switch age := now.Sub(n.since); {
	case age >= 2*span:
		n.old, n.young, n.since = 0, 0, now
	case age >= span:
		n.old, n.young, n.since = n.young, 0, n.since.Add(span)
	}
	late := max(n.young, n.old)
	if late != 0 && id > late && id-late > mostJump {
		return newest, false
	}
	n.young = max(n.young, id)
	if late = max(late, id); late < newest && newest-late <= mostJump { // it has grown all the time
		return newest, true
	}
	return late, true
}
