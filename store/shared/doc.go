// Package shared has ways to share without making anyone wait who does not need it:
// something that is open while it has users (Value), a computation that one does for
// all who want it (Work, Once), and a lock whose waiting can be given up (Turn).
//
// It imports nothing of this project. Its mutexes guard who uses or waits for what, and
// nothing is called under them.
package shared
