package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// Bucket holds objects by their keys. A call is made once: whoever implements it never makes
// one again by itself, for who asked to change something on a condition has to look first
// whether that has happened.
type Bucket interface {
	// Get reads an object, or a run of it.
	Get(ctx context.Context, key string, read Read) (*Object, error)
	// Put makes an object or replaces it, whole, and returns its new tag.
	Put(ctx context.Context, key string, content []byte, meta Metadata, only Condition) (Tag, error)
	// PutLong is Put of so many bytes that are read as they are sent, perhaps twice; 5 GiB at most.
	PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta Metadata, only Condition) (Tag, error)
	// Delete removes an object; where there is none, that is no error.
	Delete(ctx context.Context, key string, only Condition) error
	// List lists keys that begin with a prefix, in their order, a page at a time.
	List(ctx context.Context, list List) (*Page, error)
	// Copy makes an object of another one's bytes, in the bucket, of at most 5 GiB.
	Copy(ctx context.Context, from, to string) (Tag, error)
	Uploads
}

// Uploads make an object of parts. Nobody sees it before it is complete.
type Uploads interface {
	// Begin begins an upload. PutPart sends a part, and CopyPart has the bucket copy a run of
	// an object for one. Parts are numbered from 1, and of one number the last counts; all but
	// the last have SmallestPart bytes at least. The object has the metadata with which it was
	// begun.
	Begin(ctx context.Context, key string, meta Metadata) (Upload, error)
	PutPart(ctx context.Context, key string, upload Upload, number int, content []byte) (Tag, error)
	CopyPart(ctx context.Context, key string, upload Upload, number int, from string, offset, length int64) (Tag, error)
	// Complete makes the object of the parts, in their order.
	Complete(ctx context.Context, key string, upload Upload, parts []Tag, only Condition) (Tag, error)
	Abort(ctx context.Context, key string, upload Upload) error
}

// Bounds of parts, in bytes.
const (
	SmallestPart = 5 << 20
	LargestPart  = 5 << 30 // also of an object that is sent at once
	MostParts    = 10_000
)

// Tag is an ETag as the bucket gave it, which says nothing but whether two are one.
type Tag string

// Upload is what a bucket calls an upload that is not complete.
type Upload string

// Metadata are what stands beside an object's bytes: 2 KiB at most, names in lower case and
// values in printable ASCII.
type Metadata map[string]string

// Condition is on what a change depends. The zero Condition is on nothing.
type Condition struct {
	Match Tag  // the object is there and has this tag
	None  bool // there is no object
}

// Read says what is read. The zero Read is all of it.
type Read struct {
	// Offset is where it begins; a negative one counts from the end. Length is how many bytes
	// at most; 0: to the end. Where there are none, that is an empty content.
	Offset, Length int64
	Match          Tag // fails with ErrCondition where the object has another tag
	NoneMatch      Tag // fails with ErrSame where it has this one
	// Into is where the content may be put, if it has room for it.
	Into []byte
}

// Object is what was read of one.
type Object struct {
	Content  []byte
	Size     int64 // of all of it
	Tag      Tag
	Modified time.Time
	Metadata Metadata
}

// List says what is listed: keys with a prefix, behind a key, no more than a number. Those
// with the delimiter behind the prefix are listed as one, up to it.
type List struct {
	Prefix, Delimiter string
	From              string // behind this key, which need not be there
	After             string // as Page.Next said; From does not matter then
	Most              int    // 0: as many as the bucket likes
}

// Page is a part of a listing.
type Page struct {
	Entries  []Entry
	Prefixes []string
	Next     string // empty at the end
}

// Entry is an object in a listing.
type Entry struct {
	Key      string
	Size     int64
	Tag      Tag
	Modified time.Time
}

// The causes by which callers tell failures apart. What is none of them, a broken
// connection or an answer that says nothing, leaves open whether the call took effect; so do
// all of them but ErrSame for a change: a server may tell the winner that he lost.
var (
	ErrNotFound  = errors.New("no such object")
	ErrSame      = errors.New("the object is as it was") // 304
	ErrCondition = errors.New("the object is another")   // 412
	ErrConflict  = errors.New("somebody else changes the object")
	ErrServer    = errors.New("the server failed") // 500, 503
	ErrDenied    = errors.New("the server denies it")
)

// ErrSilent is what somebody is told who has waited for an answer as long as he may.
var ErrSilent = fmt.Errorf("%w: the server did not answer", syscall.EIO)
