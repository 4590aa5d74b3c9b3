// Package blockcache keeps blocks of objects that never change in files of this machine,
// within a bound. It outlasts its process, and several share one folder: what is there under
// a block's name is that block, or fails its checksum and is no answer.
//
// It imports nothing of this project. Its mutex guards how much was written since the
// folder was last looked at; it is not held over I/O, and nothing is locked under it.
package blockcache
