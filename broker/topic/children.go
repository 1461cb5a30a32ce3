package topic

// children are the nodes below a node by their level, "+" excepted. Most
// nodes have one child, which is kept without a map. The zero value is empty.
//
// Invariant: many == nil, or one == nil and len(many) >= 1.
type children[S comparable] struct {
	one  *node[S]
	many map[string]*node[S]
}

func (c *children[S]) get(level string) *node[S] {
	if c.many != nil {
		return c.many[level]
	}
	if c.one != nil && c.one.level == level {
		return c.one
	}
	return nil
}

// add adds n, whose level must not be present.
func (c *children[S]) add(n *node[S]) {
	switch {
	case c.many != nil:
		c.many[n.level] = n
	case c.one == nil:
		c.one = n
	default:
		c.many = map[string]*node[S]{c.one.level: c.one, n.level: n}
		c.one = nil
	}
}

// remove removes n, which must be present.
func (c *children[S]) remove(n *node[S]) {
	if c.many == nil {
		c.one = nil
		return
	}
	delete(c.many, n.level)
	if len(c.many) == 1 {
		for _, c.one = range c.many {
		}
		c.many = nil
	}
}

func (c *children[S]) empty() bool { return c.one == nil && c.many == nil }
