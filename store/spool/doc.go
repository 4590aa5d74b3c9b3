// Package spool is where the bytes of a file wait, in any order, until the file is
// complete: in memory as long as they are few, else in a file of the volume of which
// nothing stays.
//
// It imports memory, for what it holds, and volume, for the file. It has no locks: whoever
// has a spool has it to himself, but its file may be read beside.
package spool
