// Package storetest tests that a broker.Store keeps its contract. Every
// implementation calls [Run] from its own tests, and a durable one [RunReopen].
// [Faulty] makes any Store slow and unreliable, for tests of who uses it.
package storetest

import (
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// A test is given a new, empty Store, which is closed after it.
type test struct {
	name string
	run  func(t *testing.T, st broker.Store)
}

// Run runs the whole suite. open returns a new, empty Store; the suite closes
// it. It is called once per test, with the test it is for.
//
// The Store must hold 1,000 messages per App in its log of broadcasts, and little more.
func Run(t *testing.T, open func(t *testing.T) broker.Store) {
	t.Helper()
	for _, group := range [][]test{
		sessionTests, deletionTests, mailboxTests, pageTests, receiptTests, bodyTests, logTests, retainedTests,
		bracketTests, callbackTests, randomTests,
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				st := open(t)
				c.run(t, st)
				if err := st.Close(); err != nil {
					t.Errorf("Close: got %v, want nil", err)
				}
			})
		}
	}
	t.Run("close waits", func(t *testing.T) { testCloseWaits(t, open(t)) })
}
