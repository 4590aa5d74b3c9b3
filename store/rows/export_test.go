package rows

// SortedRows is how many rows may be kept in order of id.
const SortedRows = sortedRows

// LeaveRoom lets so many more rows be kept in order of id.
func (l *Live) LeaveRoom(rows int64) { l.room.Store(rows) }
