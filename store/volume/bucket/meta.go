package bucket

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/bucket/objects"
)

// about is what a store object's metadata tell.
type about struct {
	ID         string // of the store, for as long as it lives
	Born       int64  // when it was made, in nanoseconds since 1970
	Generation uint64
	Change     uint64 // rises with each swap, so that the older of two answers is known
	Mends      uint64 // how often published bytes were written over
	Size       int64  // of the store
	Mode       os.FileMode
	UID, GID   uint32
	Modified   time.Time
	Writers    []writer // that have committed lately
	// From is the key of which the store was moved here, until it changes for the first time:
	// what stands there may say still that it is to be moved. Empty: nothing does.
	From string
	// Foreign: another program has put it there, or has changed it.
	Foreign bool
}

// writer is one of them, its newest commit, and which change that was.
type writer struct {
	Name           string
	Number, Change uint64
}

const (
	mostWriters  = 64
	metaOf       = "rvffs-of"
	metaMode     = "rvffs-mode"
	metaUser     = "rvffs-user"
	metaTime     = "rvffs-time"
	metaWriters  = "rvffs-writers"
	metaVersion  = "rvffs-version"
	metaChecksum = "rvffs-sum"
	metaMoved    = "rvffs-moved"
	metaFrom     = "rvffs-from"
	metaHorizon  = "rvffs-horizon" // as in a line, of an object without one
	metaEnd      = "rvffs-end"     // the checksum of the end, of an object that is too large to be read at once
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// placeOf stands for a key in metadata, so that who copies an object does not make another of
// the same store.
func placeOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:6])
}

// encode says it in metadata, of an object of this content at a key.
func (a *about) encode(key string, content []byte) objects.Metadata {
	texts := make([]string, len(a.Writers))
	for i, w := range a.Writers {
		texts[i] = w.Name + ":" + strconv.FormatUint(w.Number, 36) + ":" + strconv.FormatUint(w.Change, 36)
	}
	meta := objects.Metadata{
		metaOf:       fmt.Sprintf("%s %s %d", a.ID, placeOf(key), a.Born),
		metaVersion:  fmt.Sprintf("%d %d %d %d", a.Generation, a.Change, a.Mends, a.Size),
		metaChecksum: fmt.Sprintf("%08x", crc32.Checksum(content, castagnoli)),
		metaMode:     strconv.FormatUint(uint64(modeBits(a.Mode)), 8),
		metaUser:     fmt.Sprintf("%d %d", a.UID, a.GID),
		metaTime:     strconv.FormatInt(a.Modified.UnixNano(), 10),
	}
	if len(texts) > 0 {
		meta[metaWriters] = strings.Join(texts, " ")
	}
	if a.From != "" {
		meta[metaFrom] = base64.RawURLEncoding.EncodeToString([]byte(a.From))
	}
	return meta
}

// modeBits are those of a mode as chmod takes them.
func modeBits(mode os.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[os.FileMode]uint32{os.ModeSetuid: 0o4000, os.ModeSetgid: 0o2000, os.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// modeOf is the mode of such bits.
func modeOf(bits uint32) os.FileMode {
	mode := os.FileMode(bits & 0o777)
	for flag, bit := range map[os.FileMode]uint32{os.ModeSetuid: 0o4000, os.ModeSetgid: 0o2000, os.ModeSticky: 0o1000} {
		if bits&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// defaultMode is that of what another program has put there.
const defaultMode = os.FileMode(0o644)

// parseAbout reads metadata. Where they are not ours, or not of this object, the object tells
// who it is: by where it is and which tag it has.
func parseAbout(key string, found *objects.Object, owner owner) about {
	a := about{Mode: defaultMode, UID: owner.UID, GID: owner.GID, Modified: found.Modified, Size: found.Size}
	var place string
	if n, err := fmt.Sscanf(found.Metadata[metaOf], "%s %s %d", &a.ID, &place, &a.Born); n != 3 || err != nil || place != placeOf(key) {
		return foreign(key, found.Tag, a)
	}
	if int64(len(found.Content)) == found.Size && found.Metadata[metaChecksum] != fmt.Sprintf("%08x", crc32.Checksum(found.Content, castagnoli)) {
		return foreign(key, found.Tag, a)
	}
	if n, err := fmt.Sscanf(found.Metadata[metaVersion], "%d %d %d %d", &a.Generation, &a.Change, &a.Mends, &a.Size); n != 4 || err != nil {
		return foreign(key, found.Tag, a)
	}
	if bits, err := strconv.ParseUint(found.Metadata[metaMode], 8, 32); err == nil {
		a.Mode = modeOf(uint32(bits))
	}
	_, _ = fmt.Sscanf(found.Metadata[metaUser], "%d %d", &a.UID, &a.GID)
	if nanoseconds, err := strconv.ParseInt(found.Metadata[metaTime], 10, 64); err == nil {
		a.Modified = time.Unix(0, nanoseconds)
	}
	if from, err := base64.RawURLEncoding.DecodeString(found.Metadata[metaFrom]); err == nil {
		a.From = string(from)
	}
	for _, text := range strings.Fields(found.Metadata[metaWriters]) {
		parts := strings.Split(text, ":")
		if len(parts) != 3 {
			continue
		}
		number, err := strconv.ParseUint(parts[1], 36, 64)
		change, err2 := strconv.ParseUint(parts[2], 36, 64)
		if err == nil && err2 == nil {
			a.Writers = append(a.Writers, writer{parts[0], number, change})
		}
	}
	return a
}

// foreign is what is said of an object that another program has put there.
func foreign(key string, tag objects.Tag, a about) about {
	sum := sha256.Sum256([]byte(key + "\x00" + string(tag)))
	return about{ID: hex.EncodeToString(sum[:16]), Born: a.Modified.UnixNano(), Mode: a.Mode, UID: a.UID, GID: a.GID, Modified: a.Modified, Size: a.Size, Foreign: true}
}

// info tells about the store as its file.
func (a *about) info(size int64) volume.FileInfo {
	return volume.FileInfo{
		Size: size, Modified: a.Modified, Identity: identityOf(a.ID), Names: 1, Mode: a.Mode, UID: a.UID, GID: a.GID,
	}
}

// identityOf makes an identity of a name that no two have.
func identityOf(name string) volume.Identity {
	sum := sha256.Sum256([]byte(name))
	number := func(b []byte) (n uint64) {
		for _, digit := range b {
			n = n<<8 | uint64(digit)
		}
		return n
	}
	return volume.NewIdentity(number(sum[:8]), number(sum[8:16]))
}

// says notes a writer's newest commit, which is this change. No clock says who is forgotten
// then, for those of the others may be wrong, but who has not committed for longest. The caller
// has the list to itself.
func (a *about) says(name string, number uint64) {
	kept := slices.DeleteFunc(slices.Clone(a.Writers), func(w writer) bool { return w.Name == name })
	a.Writers = append(kept[max(0, len(kept)+1-mostWriters):], writer{name, number, a.Change})
}

// arrived reports whether a writer's commit of a number, which was to be a change, is in it.
// Nobody knows when so many others have committed since that it may be forgotten.
func (a *about) arrived(name string, number, change uint64) (is, known bool) {
	if slices.ContainsFunc(a.Writers, func(w writer) bool { return w.Name == name && w.Number == number }) {
		return true, true
	}
	forgets := len(a.Writers) == mostWriters && a.Writers[0].Change > change
	return false, !forgets
}
