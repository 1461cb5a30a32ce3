package ximp

import "github.com/holdfast-mqtt/holdfast/bridge"

// clientIDOf is the Client Identifier of a device. Topics lead to it: inbox/x:USER:PLATFORM:DEVICE.
func clientIDOf(user, platform, device string) string {
	return "x:" + bridge.Escape(user) + ":" + bridge.Escape(platform) + ":" + bridge.Escape(device)
}

// userTopic is where messages to all devices of a user go.
func userTopic(user string) string { return "user/" + bridge.Escape(user) }

// roomPrefix begins the topics of rooms.
const roomPrefix = "group/"

func roomTopic(room string) string { return roomPrefix + bridge.Escape(room) }
