// Package store is the storage engine of one RVF vector store.
//
// It has three concepts. A segment is an immutable run of bytes in the file. A
// Snapshot is the state that one manifest describes: immutable, shared, and
// readable for as long as somebody holds it. A commit appends segments and a
// manifest that names them, and so makes the next snapshot.
//
// All access to files goes through the FileSystem interface, so that tests can
// record, delay and break every operation.
package store
