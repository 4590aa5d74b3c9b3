package filelog

import "time"

// What tests of locks look into.
const (
	LockSize    = lockSize
	LockFilling = lockFilling
)

var (
	HostName    = hostName
	ReadLock    = readLock
	RemoveStale = removeStale
)

// LockFile is the content of a lock file.
func LockFile(process int, host string, since time.Time) []byte {
	return lockRecord{process: process, host: host, time: since}.encode()
}
