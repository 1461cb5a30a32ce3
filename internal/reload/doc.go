// Package reload reads files again that change while a node runs: credentials, rules, lists of addresses.
//
// [File] holds what one file says; [Run] calls any reading again and again; [ReadFile] bounds what is read; a [Look] tells
// whether a file may have changed. What cannot be read or makes no sense leaves in force what was there before.
package reload
