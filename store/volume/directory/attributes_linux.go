package directory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// AccessListAttribute is the extended attribute in which POSIX access control lists stand.
const AccessListAttribute = "system.posix_acl_access"

// keptStrictly reports whether a file without this extended attribute is another one
// to its users: the lists that say who may do what, and what users wrote down.
func keptStrictly(name string) bool {
	return name == AccessListAttribute || name == "system.nfs4_acl" || name == "system.richacl" || strings.HasPrefix(name, "user.")
}

// neverKept reports whether an extended attribute belongs to one file, to its bytes, or
// to the place of one in a file system.
func neverKept(name string) bool {
	return name == bornAttribute || name == "security.ima" || name == "security.evm" || name == "security.capability" || strings.HasPrefix(name, "trusted.overlay.")
}

// Attributes implements filelog.File.
func (f *osFile) Attributes() (filelog.FileAttributes, error) {
	info, err := f.Describe()
	if err != nil {
		return filelog.FileAttributes{}, err
	}
	attributes := filelog.FileAttributes{UID: info.UID, GID: info.GID, Mode: info.Mode, Extended: map[string][]byte{}}
	err = f.control(func(descriptor int) error {
		attributes.Born = bornOf(descriptor, info)
		names, err := listXattrs(descriptor)
		if err != nil {
			return err
		}
		total := 0
		for _, name := range names {
			value, err := ReadXattr(descriptor, name)
			switch {
			case err == nil:
				attributes.Extended[name] = value
			case errors.Is(err, unix.ENODATA) || !keptStrictly(name): // gone by now, or not for this process to see
			default:
				return err
			}
			if total += len(name) + len(value); total > filelog.MaxExtended {
				return fmt.Errorf("%w: more than %d bytes of extended attributes", volume.ErrTooLarge, filelog.MaxExtended)
			}
		}
		return nil
	})
	if err != nil {
		return filelog.FileAttributes{}, fmt.Errorf("read the attributes of %q: %w", f.Name(), err)
	}
	return attributes, nil
}

// listXattrs names the extended attributes that a copy of the file gets too.
func listXattrs(descriptor int) ([]string, error) {
	list, err := ReadGrowing(func(buffer []byte) (int, error) { return unix.Flistxattr(descriptor, buffer) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	var names []string
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) > 0 && !neverKept(string(name)) {
			names = append(names, string(name))
		}
	}
	return names, nil
}

func ReadXattr(descriptor int, name string) ([]byte, error) {
	value, err := ReadGrowing(func(buffer []byte) (int, error) { return unix.Fgetxattr(descriptor, name, buffer) })
	if err != nil {
		return nil, fmt.Errorf("read extended attribute %q: %w", name, err)
	}
	return value, nil
}

// ReadGrowing gives a call as large a buffer as its answer needs, which the system lets be
// 64 KiB at most.
func ReadGrowing(call func(buffer []byte) (int, error)) ([]byte, error) {
	for size := 256; ; size *= 16 {
		buffer := make([]byte, size)
		n, err := retryInt(func() (int, error) { return call(buffer) })
		if err == nil {
			return buffer[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) || size > 64<<10 {
			return nil, err
		}
	}
}

// SetAttributes implements filelog.File. What may be seen of the file meanwhile is never
// more than before or after: lists and mode come last.
func (f *osFile) SetAttributes(attributes filelog.FileAttributes) error {
	info, err := f.Describe()
	if err == nil {
		err = f.control(func(descriptor int) error { return setAttributes(descriptor, info, attributes) })
	}
	if err != nil {
		return fmt.Errorf("set the attributes of %q: %w", f.Name(), err)
	}
	return nil
}

func setAttributes(descriptor int, info volume.FileInfo, attributes filelog.FileAttributes) error {
	setBorn(descriptor, attributes.Born)
	list, listed := attributes.Extended[AccessListAttribute]
	for name, value := range attributes.Extended {
		if name == AccessListAttribute {
			continue
		}
		err := unix.Fsetxattr(descriptor, name, value, 0)
		if err != nil && keptStrictly(name) {
			return fmt.Errorf("extended attribute %q: %w", name, err)
		}
	}
	if info.UID != attributes.UID || info.GID != attributes.GID {
		if err := unix.Fchown(descriptor, int(attributes.UID), int(attributes.GID)); err != nil {
			return fmt.Errorf("owner %d:%d: %w", attributes.UID, attributes.GID, err)
		}
	}
	if attributes.Extended != nil {
		// Folders give lists of their own to what is made in them.
		if err := dropXattrs(descriptor, attributes.Extended); err != nil {
			return err
		}
	}
	if listed {
		if err := unix.Fsetxattr(descriptor, AccessListAttribute, list, 0); err != nil {
			return fmt.Errorf("access control list: %w", err)
		}
	}
	if err := unix.Fchmod(descriptor, rawMode(attributes.Mode)); err != nil {
		return fmt.Errorf("mode %v: %w", attributes.Mode, err)
	}
	return nil
}

// dropXattrs removes what the file has and the wanted attributes have not.
func dropXattrs(descriptor int, wanted map[string][]byte) error {
	names, err := listXattrs(descriptor)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, stays := wanted[name]; stays || !keptStrictly(name) {
			continue
		}
		if err := unix.Fremovexattr(descriptor, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("remove extended attribute %q: %w", name, err)
		}
	}
	return nil
}
