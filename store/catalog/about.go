package catalog

import "github.com/rs/zerolog"

// About marks an entry of the log as being about the store of a file, which is the
// name that the store had, and about its owner, who tells it apart from others that
// may have the name later. The entry is for those who may read the store.
func (c *Catalog) About(event *zerolog.Event, file string) *zerolog.Event {
	if !event.Enabled() {
		return event
	}
	event.Str("store", file)
	if info, err := c.volume.Describe(c.life, file); err == nil {
		event.Uint32("owner", info.UID)
	}
	return event
}

func (s *Store) about(event *zerolog.Event) *zerolog.Event { return s.catalog.About(event, s.Path()) }
