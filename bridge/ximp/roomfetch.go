package ximp

import (
	"slices"

	"github.com/holdfast-mqtt/holdfast/bridge/ximp/packet"
	"github.com/holdfast-mqtt/holdfast/broker"
)

// onGetMultiInfos answers with the messages of a room that the client has missed, by their numbers, as far as they are kept. Only the last
// of the numbers are answered, so many as there may be and as fit into a page. To a client that is not in the room all are gone.
func (c *conn) onGetMultiInfos(sn uint64, r *packet.GetMultiInfosRequest) {
	out := &packet.GetMultiInfosResponse{InfoType: r.InfoType, SParameter: r.SParameter, LastID: packet.Some(int64(0))}
	if string(r.InfoType) == packet.BoxRoom {
		t := roomTopic(string(r.SParameter))
		room := c.room(t)
		if room != nil && !c.allows(broker.ActionSubscribe, t, 0) {
			room = nil
		}
		if room != nil {
			out.LastID = packet.Some(int64(room.shared.newest.Load()))
		}
		ids := r.IDs[max(len(r.IDs)-max(c.ls.srv.cfg.MaxMultiInfos, 0), 0):]
		out.Infos = c.fetchRoom(room, ids)
	}
	c.put(answer(packet.IDGetMultiInfos, sn, &packet.Response{GetMultiInfos: out}))
}

// fetchRoom returns what is to be said about messages of a room; nil is one that the client is not in.
func (c *conn) fetchRoom(r *room, ids []int64) []packet.Info {
	var infos []packet.Info
	size := 0
	for _, id := range slices.Backward(ids) {
		s := packet.Stored{Valid: packet.Some(uint32(0)), ID: packet.Some(id)}
		if zip, sent, ok := c.findKept(r, id); ok {
			s.Valid, s.Body, s.Sent = packet.Some(uint32(1)), zip, packet.Some(uint64(sent))
		}
		if size += len(s.Body) + infoOverhead; size > packet.MaxPage && len(infos) > 0 {
			break
		}
		infos = append(infos, s.Info())
	}
	slices.Reverse(infos)
	return infos
}

// findKept returns a kept message as clients read it, and when it came, in ms since 1970.
func (c *conn) findKept(r *room, id int64) (zip []byte, sent int64, ok bool) {
	stats := &c.ls.srv.stats
	if r != nil {
		zip, at, ok := c.ls.srv.rooms.find(r.shared, id, func(k *keptMessage) []byte {
			return packet.Gzip(packet.Append(nil, newRoomMessage(k.msg, k.id, r.shared.newest.Load(), k.at.UnixMilli())))
		})
		if ok {
			count(&stats.keptFound)
			return zip, at.UnixMilli(), true
		}
	}
	count(&stats.keptGone)
	return nil, 0, false
}
