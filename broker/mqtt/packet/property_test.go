package packet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// propertyTable is v5 table 2-4: a valid value of each property, a value out of
// range if there is one, and the packets it belongs to, with W for the Will.
var propertyTable = []struct {
	id      byte
	valid   string
	invalid string
	packets string
}{
	{0x01, `01`, `02`, "PUBLISH W"},
	{0x02, `00000000`, ``, "PUBLISH W"},
	{0x03, `0000`, `0001 ff`, "PUBLISH W"},
	{0x08, `0001 "r"`, `0001 "+"`, "PUBLISH W"},
	{0x09, `0001 00`, ``, "PUBLISH W"},
	{0x0B, `01`, `00`, "PUBLISH SUBSCRIBE"},
	{0x11, `ffffffff`, ``, "CONNECT CONNACK DISCONNECT"},
	{0x12, `0001 "i"`, `0001 00`, "CONNACK"},
	{0x13, `0000`, ``, "CONNACK"},
	{0x15, `0001 "m"`, `0001 ff`, "CONNECT CONNACK AUTH"},
	{0x16, `0001 ff`, ``, "CONNECT CONNACK AUTH"},
	{0x17, `01`, `02`, "CONNECT"},
	{0x18, `00000000`, ``, "W"},
	{0x19, `00`, `02`, "CONNECT"},
	{0x1A, `0000`, `0001 ff`, "CONNACK"},
	{0x1C, `0000`, `0001 ff`, "CONNACK DISCONNECT"},
	{0x1F, `0000`, `0001 ff`, "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"},
	{0x21, `0001`, `0000`, "CONNECT CONNACK"},
	{0x22, `0000`, ``, "CONNECT CONNACK"},
	{0x23, `0001`, `0000`, "PUBLISH"},
	{0x24, `00`, `02`, "CONNACK"},
	{0x25, `00`, `02`, "CONNACK"},
	{0x26, `0001 "k" 0000`, `0001 "k" 0001 00`, "CONNECT CONNACK PUBLISH W PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH"},
	{0x27, `00000001`, `00000000`, "CONNECT CONNACK"},
	{0x28, `00`, `02`, "CONNACK"},
	{0x29, `00`, `02`, "CONNACK"},
	{0x2A, `00`, `02`, "CONNACK"},
}

// walk reads a block strictly in the place named as in propertyTable.
func walk(place string, block []byte) error {
	p := walkWillProps(block)
	if place != "W" {
		p = walkProps(block, Type(slices.Index(typeNames[:], place)))
	}
	return p.drain()
}

var propertyPlaces = []string{"W", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL",
	"PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

// TestPropertyPlaces has all 256 identifiers in all packets.
func TestPropertyPlaces(t *testing.T) {
	for id := range 256 {
		places, value := "", "00"
		for _, row := range propertyTable {
			if int(row.id) == id {
				places, value = row.packets, row.valid
			}
		}
		for _, place := range propertyPlaces {
			want := slices.Contains(strings.Fields(places), place)
			err := walk(place, raw(fmt.Sprintf("%02x %s", id, value)))
			if (err == nil) != want {
				t.Errorf("property %#02x in %s: got %v, want accepted %v", id, place, err, want)
			}
			if err != nil && !errors.Is(err, ErrProperty) {
				t.Errorf("property %#02x in %s: got %v, want ErrProperty", id, place, err)
			}
		}
	}
}

// TestPropertyValues has for each property in each of its packets: a bad value,
// every truncation, and the property twice.
func TestPropertyValues(t *testing.T) {
	for _, row := range propertyTable {
		valid := raw(fmt.Sprintf("%02x %s", row.id, row.valid))
		for place := range strings.FieldsSeq(row.packets) {
			if row.invalid != "" {
				if err := walk(place, raw(fmt.Sprintf("%02x %s", row.id, row.invalid))); err == nil {
					t.Errorf("property %#02x in %s: value %s is accepted", row.id, place, row.invalid)
				}
			}
			for n := 1; n < len(valid); n++ {
				if err := walk(place, valid[:n]); !errors.Is(err, ErrTruncated) {
					t.Errorf("property %#02x in %s cut to %x: got %v, want ErrTruncated", row.id, place, valid[:n], err)
				}
			}
			err := walk(place, slices.Concat(valid, valid))
			repeats := row.id == 0x26 || row.id == 0x0B && place == "PUBLISH"
			if repeats && err != nil || !repeats && !errors.Is(err, ErrPropertyTwice) {
				t.Errorf("property %#02x twice in %s: got %v, want refused %v", row.id, place, err, !repeats)
			}
		}
	}
}

func TestPropertyWalkStopsAtTheFirstError(t *testing.T) {
	p := walkProps(raw("23 0000 01 01"), TypePublish)
	for p.next() {
		t.Errorf("got property %#x, want none", p.id)
	}
	if p.next() {
		t.Error("got a property after an error, want none")
	}
}
