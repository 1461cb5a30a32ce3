// Package topic holds the data structures that decide who receives an
// Application Message: rules for Topic Names and Topic Filters, the
// subscription Index with its Shared Subscription groups, and the ordered
// store of Retained messages. It is pure: it does no input or output, knows
// no clock, starts no goroutine, and imports no other package of the broker.
//
// # Names and filters
//
// A Topic Name or Topic Filter is 1 to 65,535 bytes of UTF-8 without U+0000,
// cut into levels by '/'; a level may be empty. In a filter the level "+"
// stands for any one level and a last level "#" for the parent level and
// everything below it. A filter whose first level is a wildcard matches no
// name that begins with '$'. "$share/{ShareName}/{Topic Filter}" is a Shared
// Subscription. [ValidateName] and [ValidateFilter] enforce this and must be
// called before a string from outside is given to the rest of the package;
// given anything else the structures stay consistent and do not panic, but a
// wildcard in a wrong place is an ordinary character.
//
// # Cost
//
// Filters without a wildcard live in a sharded hash map: matching a name is
// one look-up however many filters there are, and a filter with one
// subscriber costs less than 150 bytes. Filters with a wildcard live in a
// trie of levels. Each trie node is visited at most once per match and only
// if its path matches, so a name of L levels visits no more than
// min(2^(L+1), nodes in the trie) nodes; the trie has at most one node per
// level of each filter in it. All walks are loops, never recursion. A limit
// on levels per filter (see [Levels]) is the caller's to set.
package topic
