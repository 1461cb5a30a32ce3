package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-mqtt/holdfast/broker"
)

// commits gives out Commits and notes what they are told.
type commits struct {
	mu     sync.Mutex
	cond   sync.Cond
	issued int
	told   int      // Commits that were told something
	wrong  []string // what they must not have been told
}

func newCommits() *commits {
	c := new(commits)
	c.cond.L = &c.mu
	return c
}

// commit is one Commit. It is told nil, once.
type commit struct {
	all  *commits
	n    int
	told bool // guarded by all.mu
}

func (c *commits) next() broker.Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued++
	return &commit{all: c, n: c.issued}
}

// Committed implements broker.Commit.
func (c *commit) Committed(err error) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if err != nil {
		c.all.wrong = append(c.all.wrong, fmt.Sprintf("commit %d: got error %v, want nil", c.n, err))
	}
	if c.told {
		c.all.wrong = append(c.all.wrong, fmt.Sprintf("commit %d: told twice", c.n))
		return
	}
	c.told = true
	c.all.told++
	c.all.cond.Broadcast()
}

// wait waits until all Commits given out have been told, and complains of what was wrong so far.
func (c *commits) wait(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	for c.told < c.issued {
		c.cond.Wait()
	}
	c.mu.Unlock()
	c.check(t)
}

// check complains of what was wrong so far.
func (c *commits) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.wrong {
		t.Error(w)
	}
	c.wrong = nil
}

// counts returns how many Commits were given out and told.
func (c *commits) counts() (issued, told int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issued, c.told
}
