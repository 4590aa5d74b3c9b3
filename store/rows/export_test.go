package rows

// SortedRows is how many rows may be kept in order of id.
const SortedRows = sortedRows

// LeaveRoom lets so many more rows be kept in order of id.
func (l *Live) LeaveRoom(rows int64) { l.room.Store(rows) }

// Trusted reports whether no ids were read to find the live rows.
func (l *Live) Trusted() bool { return l.trusted }
