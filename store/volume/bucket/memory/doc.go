// Package memory has a bucket for tests, in which each request may go wrong in every way in
// which one to a server can.
//
// It imports objects. The lock of a Bucket is held during each call, and while its Fault is
// asked.
package memory
