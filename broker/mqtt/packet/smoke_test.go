package packet

import (
	"reflect"
	"testing"
)

func TestSmoke(t *testing.T) {
	for _, v := range []Version{V31, V311, V5} {
		c := &Connect{Version: v, ClientID: "c1", CleanStart: true, KeepAlive: 30, HasUsername: true, Username: "u", HasPassword: true, Password: []byte("p"),
			Will: &Will{Topic: "w", Payload: []byte("x"), QoS: 1}}
		f, _, err := ReadFrame(AppendConnect(nil, c), 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeConnect(f)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v want %+v", got, c)
		}
		p := PublishOut{QoS: 1, PacketID: 7, Topic: "a/b", Payload: []byte("hi")}
		b := AppendPublish(nil, v, &p)
		if len(b) != PublishSize(v, &p) {
			t.Error("size")
		}
		f, n, err := ReadFrame(b, 100)
		if err != nil || n != len(b) {
			t.Fatal(n, err)
		}
		var in Publish
		if err := in.Decode(f, v); err != nil || string(in.Topic) != "a/b" || in.PacketID != 7 || string(in.Payload) != "hi" {
			t.Fatal(err, in)
		}
	}
}
