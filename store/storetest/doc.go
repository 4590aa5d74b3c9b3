// Package storetest is for tests that have stores in folders of the system: it opens these,
// which the engine itself does not do. It imports the volume of a directory and testing; it
// owns no locks, and does not know the store.
package storetest
