// Package vecio reads vector streams. A stream's bytes are pushed into a
// [Decoder] in chunks of any size, and the decoder hands whole rows to a [Sink].
//
// Memory is bounded by one record and one batch whatever the stream says: no
// length that a stream announces is believed before the bytes are there.
//
// It imports segments alone, for the words of the format, and has no locks: a decoder
// is for one goroutine.
package vecio
