package packet

// The payload types of groups.
const (
	GroupSync   uint32 = 108
	GroupGet    uint32 = 109
	GroupNotify uint32 = 200
)

// GroupUp is a request to the group service.
type GroupUp struct {
	Payload uint32
	Syncs   []GroupSyncRequest
	Gets    []GroupGetRequest
}

func (g *GroupUp) fields(c *codec) {
	number(c, 1, &g.Payload)
	subs(c, 6, &g.Syncs)
	subs(c, 7, &g.Gets)
}

// GroupSyncRequest asks how far a group has got.
type GroupSyncRequest struct {
	GroupID []byte
}

func (r *GroupSyncRequest) fields(c *codec) { c.text(1, &r.GroupID, required) }

// GroupGetRequest asks for messages of a group.
type GroupGetRequest struct {
	GroupID, TraceID []byte
	StartID          Opt[uint64]
	Offset           Opt[int32]
}

func (r *GroupGetRequest) fields(c *codec) {
	c.text(1, &r.GroupID, required)
	c.text(2, &r.TraceID, required)
	maybe(c, 3, &r.StartID)
	maybe(c, 4, &r.Offset)
}

// GroupDown is an answer of the group service. Its lists are not served, and skipped.
type GroupDown struct {
	Result  int32
	Payload uint32
	Reason  []byte
	// Sleep is how many seconds to wait before asking again.
	Sleep Opt[int32]
}

func (g *GroupDown) fields(c *codec) {
	number(c, 1, &g.Result)
	number(c, 2, &g.Payload)
	c.text(3, &g.Reason, optional)
	maybe(c, 4, &g.Sleep)
}
