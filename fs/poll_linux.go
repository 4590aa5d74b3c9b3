package fs

import "golang.org/x/sys/unix"

// poll says at once what there is to say of a descriptor. A signal, of which the Go
// runtime sends itself many, makes even a poll that does not wait fail.
func poll(descriptor int, events int16) (int16, error) {
	state := []unix.PollFd{{Fd: int32(descriptor), Events: events}}
	for {
		if _, err := unix.Poll(state, 0); err != unix.EINTR {
			return state[0].Revents, err
		}
	}
}
