// Package metered counts what is asked of a bucket: requests and their outcome, how long they
// took, and the bytes that went either way, for Prometheus.
//
// It imports objects. It has no locks of its own.
package metered
