// Package trial finds out what a server can do that holds a bucket: whether it keeps the
// conditions on which commits depend, also among many clients at once, whether reads and
// listings see what was written, and whether it can put objects together by itself. Servers
// that drop a condition without a word are not rare.
//
// It imports objects, and holds no lock.
package trial
