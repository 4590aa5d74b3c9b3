package fs

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"syscall"
	"time"

	nodefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"rvffs/store/catalog"
	"rvffs/store/journal"
	"rvffs/store/memory"
)

// TypeName is the type of the file system, as `mount -t fuse.rvffs` calls it.
const TypeName = "rvffs"

// requestSize is the most that one request carries, in bytes. The kernel allows
// no more without a changed setting.
const requestSize = 1 << 20

// mostWaiting is how many reads ahead, and closes of files, the kernel has under way at
// a time. They are the mount's, not a store's: the twelve that are usual are soon taken
// by those who wait for one slow disk, and nobody else reads anything then.
const mostWaiting = 256

// Options say how to mount.
type Options struct {
	// Source is shown as the mounted device; usually the backing directory.
	Source string
	// ReadOnly refuses every change with EROFS.
	ReadOnly bool
	// Views says which names of stores are listed.
	Views Views
	// StrictHashes refuses to open images that are not what their headers say.
	StrictHashes bool
	// AllowOther lets other users in, as far as the stores' modes do.
	AllowOther bool
	// DisableAttributes switches extended attributes off, for fast `ls -l`.
	DisableAttributes bool
	// DisableLists keeps access control lists from the kernel, which then asks for none
	// and goes by modes alone. What is opened is judged by them all the same.
	DisableLists bool
	// Flags are passed on as they are: noexec and the like. Devices and set-user-id
	// bits never count.
	Flags []string
	// Files are texts for the control folder, besides those of the catalog. Each
	// is made anew for every reader.
	Files map[string]func() []byte
	// Memory bounds what users make the mount hold; nil does not.
	Memory *memory.Budget
	// RequestMemory bounds, in bytes, the requests that are read and not answered; 0
	// does not.
	RequestMemory int64
	// ReadAhead is how far the kernel reads ahead, in bytes, where it lets us say so; 0
	// leaves that to it.
	ReadAhead int64
	// Log takes failures and warnings. Recent is its newest entries, for the control
	// folder, and Subject tells the store that one is about and its owner's id as the
	// entry states them: who does not see all sees those about stores that he may read.
	// Without Recent there is no such file.
	Log     zerolog.Logger
	Recent  *journal.Log
	Subject func(entry []byte) (file string, owner uint32, known bool)
}

// Server serves one mount.
type Server struct {
	tree       *tree
	server     *fuse.Server
	mountPoint string
}

// Mount shows c at mountPoint, an absolute path, and returns when it serves. The
// catalog must stay open until Wait returns.
func Mount(c *catalog.Catalog, mountPoint string, o Options) (*Server, error) {
	t, root := newTree(c, o)
	server, err := mountPatiently(mountPoint, root, o.settings(root))
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", mountPoint, errors.New(strings.TrimSpace(err.Error())))
	}
	device, err := deviceOf(mountPoint)
	if err != nil {
		o.Log.Debug().Err(err).Msg("names of views are looked up each time, files of this mount are taken for those of others, where processes have them open, and the kernel reads ahead as far as is usual")
		return &Server{tree: t, server: server, mountPoint: mountPoint}, nil
	}
	named := nameOfDevice(device)
	t.device.Store(&named)
	epochs, err := openEpoch(device)
	if err == nil {
		err = t.expiry.use(epochs)
	}
	if err != nil {
		o.Log.Debug().Err(err).Msg("names of views are looked up each time")
	}
	if o.ReadAhead > 0 {
		if err := setReadAhead(device, o.ReadAhead); err != nil {
			o.Log.Debug().Err(err).Msg("the kernel reads ahead as far as is usual")
		}
	}
	return &Server{tree: t, server: server, mountPoint: mountPoint}, nil
}

// newTree is what is to be mounted, and its topmost node.
func newTree(c *catalog.Catalog, o Options) (*tree, *folderNode) {
	t := &tree{catalog: c, memory: o.Memory, files: controlFiles(c, o), readOnly: o.ReadOnly, views: o.Views, strictHashes: o.StrictHashes, log: o.Log}
	t.overlays.names, t.overlays.log = &t.expiry, o.Log
	t.life, t.stop = context.WithCancel(context.Background())
	if o.AllowOther {
		c.IdentifyCallers(identify)
	}
	c.Observe(t.expiry.committed)
	c.ObserveDamage(t.damaged)
	return t, &folderNode{fixedFolder: fixedFolder{folderBase(t, c.Root())}, folder: c.Root()}
}

// settings are those of go-fuse. Its own timeouts stay unset: each kind of node
// says how long its names and attributes hold.
func (o Options) settings(root *folderNode) *nodefs.Options {
	failures := log.New(logWriter{o.Log}, "", 0)
	settings := &nodefs.Options{
		MountOptions: fuse.MountOptions{
			AllowOther:              o.AllowOther,
			Options:                 append([]string{"default_permissions"}, o.Flags...),
			MaxWrite:                requestSize,
			MaxBackground:           mostWaiting,
			MaxInflightRequestBytes: int(o.RequestMemory),
			IgnoreSecurityLabels:    !o.lists(), // access control lists are among them
			EnableAcl:               o.lists(),
			DisableXAttrs:           o.DisableAttributes,
			FsName:                  o.Source,
			Name:                    TypeName,
			DirectMount:             true,
			DirectMountStrict:       os.Geteuid() == 0, // the helper can do no more
			DisableSplice:           true,
			ExtraCapabilities:       fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_DONT_MASK,
			Logger:                  failures,
		},
		NullPermissions: true,
		Logger:          failures,
		RootStableAttr:  &nodefs.StableAttr{Ino: root.folder.Number()},
	}
	if o.ReadOnly {
		settings.Options = append(settings.Options, "ro")
	}
	return settings
}

// lists reports whether the kernel is told of access control lists. The owner of a mount
// for himself needs none.
func (o Options) lists() bool { return o.AllowOther && !o.DisableLists }

// controlFile is a file of the control folder: a text of the moment, or a log as the one
// who asks may see it.
type controlFile struct {
	text   func() []byte
	asked  func(ctx context.Context) ([]byte, error) // which may differ with the one who asks
	follow func(ctx context.Context) lines
}

// controlFiles puts the fixed texts of the catalog and those of the mount together.
func controlFiles(c *catalog.Catalog, o Options) map[string]controlFile {
	files := make(map[string]controlFile)
	for name, content := range c.Files() {
		files[name] = controlFile{text: func() []byte { return content }}
	}
	for _, ending := range catalog.PedigreeEndings {
		files[catalog.NameLineage+ending] = controlFile{asked: func(ctx context.Context) ([]byte, error) { return c.Pedigree(ctx, ending) }}
	}
	for name, text := range o.Files {
		files[name] = controlFile{text: text}
	}
	if o.Recent != nil {
		files["log"] = controlFile{follow: func(ctx context.Context) lines {
			if c.SeesAll(ctx) {
				return allLines{o.Recent}
			}
			return newSomeLines(o.Recent, c.KeepCaller(ctx), func(ctx context.Context) func([]byte) bool {
				type subject struct {
					file  string
					owner uint32
				}
				decided := map[subject]bool{}
				return func(entry []byte) bool {
					file, owner, known := o.Subject(entry)
					if !known {
						return false
					}
					about := subject{file, owner}
					may, found := decided[about]
					if !found {
						may = c.MayRead(ctx, file, owner)
						decided[about] = may
					}
					return may
				}
			})
		}}
	}
	return files
}

// Wait returns when the mount is gone and every stream is closed. Streams that are
// still at it some seconds later are told to end.
func (s *Server) Wait() {
	s.server.Wait()
	late := time.AfterFunc(closingPatience, s.tree.stop)
	s.tree.closing.Wait()
	late.Stop()
	s.tree.stop()
	s.tree.expiry.close()
}

// closingPatience is how long what is being closed may scan when the mount is gone.
const closingPatience = 5 * time.Second

// Stop has all that scans for users end soon, with an error for each. A commit that
// has begun goes on.
func (s *Server) Stop() { s.tree.stop() }

// Unmount ends the mount. While somebody uses it, it is only taken out of the
// directory tree and busy is true: Wait then returns when the last user is gone.
func (s *Server) Unmount() (busy bool, err error) {
	err = Unmount(s.mountPoint, false)
	if errors.Is(err, syscall.EBUSY) {
		return true, Unmount(s.mountPoint, true)
	}
	return false, err
}

// logWriter passes go-fuse's own messages on to the log.
type logWriter struct{ log zerolog.Logger }

func (w logWriter) Write(message []byte) (int, error) {
	w.log.Warn().Str("source", "go-fuse").Msg(strings.TrimSpace(string(message)))
	return len(message), nil
}
