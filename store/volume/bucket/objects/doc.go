// Package objects is what a bucket of objects is asked: eight calls, in the words of S3. Who
// speaks to a server implements Bucket, and nothing else of it.
//
// It imports nothing and has no locks.
package objects
