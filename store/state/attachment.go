package state

import "sync"

// Attachment is a place in each snapshot, or in what is known of each file, for a
// value that a room above has computed from it. A value begins as the zero T.
type Attachment[T any] struct{ _ byte }

// Holder is what has places for attachments.
type Holder interface{ attached() *attachments }

// attachments are the values in one holder, by their attachment.
type attachments struct{ values sync.Map }

func (a *attachments) attached() *attachments { return a }

// Of is the value in a holder.
func (a *Attachment[T]) Of(holder Holder) *T {
	values := &holder.attached().values
	value, there := values.Load(a)
	if !there {
		value, _ = values.LoadOrStore(a, new(T))
	}
	return value.(*T)
}
