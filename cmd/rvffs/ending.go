package main

import (
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"rvffs/fs"
	"rvffs/store/catalog"
)

const (
	// busyPatience is how long files may stay open after a signal asked the mount to
	// end. A service manager must not wait for somebody's forgotten shell.
	busyPatience = 5 * time.Second
	// stopPatience is how long what scans may take to end when it is told to.
	stopPatience = time.Second
	// closePatience is how long the stores may take to commit what streams hold. A disk
	// that does not answer must not keep the server for ever.
	closePatience = 10 * time.Second
)

// awaitEnd returns when the mount is gone. A signal asks it to go, and then it ends
// under its users when patience does; a second signal ends the process at once.
func awaitEnd(server *fs.Server, signals <-chan os.Signal, log zerolog.Logger) {
	gone := make(chan struct{})
	go func() {
		server.Wait()
		close(gone)
	}()
	var caught os.Signal
	select {
	case <-gone:
		log.Info().Msg("unmounted")
		go func() {
			<-signals // it asks for what is done already
			endAtOnce(signals, log)
		}()
		return
	case caught = <-signals:
	}
	go endAtOnce(signals, log)
	go unmount(server, caught, log)
	select {
	case <-gone:
		log.Info().Msg("unmounted")
		return
	case <-time.After(busyPatience):
		log.Warn().Msg("the mount is still in use and ends under its users; what their live streams completed is committed")
	}
	server.Stop()
	select {
	case <-gone:
	case <-time.After(stopPatience):
	}
}

// unmount takes the mount out of the directory tree, which may take as long as what
// lies below it.
func unmount(server *fs.Server, caught os.Signal, log zerolog.Logger) {
	busy, err := server.Unmount()
	if err != nil {
		log.Error().Err(err).Str("signal", caught.String()).Msg("cannot unmount")
	}
	if busy {
		log.Warn().Dur("patience", busyPatience).Msg("the mount is in use; it ends with its last user or when patience does; another signal ends it now")
	}
}

// endAtOnce ends the process at the next signal, whatever it waits for. What nobody was
// told to be stored may be lost, as after kill -9, and nothing else.
func endAtOnce(signals <-chan os.Signal, log zerolog.Logger) {
	caught := <-signals
	said := make(chan struct{})
	go func() { // the log may lie on the disk that does not answer
		defer close(said)
		tell("ended by %s while the mount was in use", caught)
		log.Error().Str("signal", caught.String()).Msg("ended before all was closed")
	}()
	select {
	case <-said:
	case <-time.After(stopPatience):
	}
	os.Exit(1)
}

// closeInTime closes the stores, but leaves those that do not answer to the end of the
// process.
func closeInTime(stores *catalog.Catalog) error {
	closed := make(chan error, 1)
	go func() { closed <- stores.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closePatience):
		return fmt.Errorf("stores could not be closed within %v, as if a disk did not answer; what their streams had not committed is lost", closePatience)
	}
}
