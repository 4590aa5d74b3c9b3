#!/usr/bin/env bash
# Installs the Debian packages that the tests need, with "bench" those of the benchmarks and
# with "ceph" a Ceph cluster's besides, and with "demo" or "demo-s3" the few of the demonstrations alone. Asks the package manager for
# nothing that is there already, and shows what it installs.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # PACKAGE CHECK…: the package, unless the check succeeds
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}

need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need fuse3 command -v fusermount3
need jq command -v jq
# Debian's own Python by its full name: another one may come first on the path.
need python3-numpy /usr/bin/python3 -c 'import numpy'
kernel=test/integration/testdata/debian-kernel/vmlinuz
if [[ ${1-} != demo* ]]; then
	need nodejs command -v node
	need npm command -v npm
	need rsync command -v rsync
	need borgbackup command -v borg
	need inotify-tools command -v inotifywait
	need attr command -v getfattr
	# Programs that put files where somebody else takes them.
	need rclone command -v rclone
	need openssh-client command -v scp
	need openssh-sftp-server test -x /usr/lib/openssh/sftp-server
	need libglib2.0-bin command -v gio
	# The race detector is linked by a C compiler.
	need gcc command -v gcc
	need libc6-dev test -e /usr/include/stdlib.h
	# The shell of /bin/sh on Debian, and tools that write files in their own order.
	need dash command -v dash
	need binutils command -v objcopy
	need tar command -v tar
	need python3 command -v python3
	# Compiles the eBPF program of the tests.
	need clang command -v clang
	# A real kernel to embed. Its package is unpacked, not installed.
	need linux-image-cloud-amd64 test -s "$kernel"
	# A disk without hard links: sshfs, whose server runs on this machine, without a network.
	need sshfs command -v sshfs
	# Networks of their own, for machines that share a bucket.
	need iproute2 command -v ip
	# Programs that read tables, and tell numbers from text by themselves.
	need sqlite3 command -v sqlite3
	need miller command -v mlr
	# A small one of those in docs/programs.md.
	need pv command -v pv
fi
if [[ ${1-} == bench ]]; then
	# The peer of exact search.
	need python3-faiss /usr/bin/python3 -c 'import faiss'
fi
if [[ ${1-} == ceph ]]; then
	need ceph-mon command -v ceph-mon
	need ceph-osd command -v ceph-osd
	need radosgw command -v radosgw
fi

unpack_kernel() { # PACKAGE: its kernel image goes where the tests look for it
	local image work
	image=$(apt-cache depends "$1" | awk '/Depends: linux-image/ {print $2; exit}')
	work=$(mktemp -d)
	(cd "$work" && apt-get download -qq "$image" && dpkg-deb -x ./*.deb .) 2>/dev/null
	mkdir -p "$(dirname "$kernel")"
	cp "$work"/boot/vmlinuz* "$kernel.part" && mv "$kernel.part" "$kernel"
	rm -rf "$work"
}

if ((${#missing[@]} > 0)); then
	install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
	if ! command -v apt-get >/dev/null; then
		echo "missing, and there is no apt-get to install it: ${missing[*]}" >&2
		exit 1
	fi
	if ((EUID != 0)); then
		if ! command -v sudo >/dev/null; then
			echo "missing, and only root can install it: ${missing[*]}" >&2
			exit 1
		fi
		install=(sudo "${install[@]}")
	fi
	echo "installing: ${missing[*]}" >&2
	"${install[@]}" update -qq
	packages=()
	for package in "${missing[@]}"; do
		case $package in
		linux-image-*) unpack_kernel "$package" ;;
		*) packages+=("$package") ;;
		esac
	done
	if ((${#packages[@]} > 0)); then
		"${install[@]}" install -y --no-install-recommends "${packages[@]}" |
			sed -n '/^Need to get/p; /^Setting up/p' >&2
	fi
fi

if [[ ! -e /dev/fuse ]]; then
	modprobe fuse 2>/dev/null || true
fi
if [[ ! -e /dev/fuse ]]; then
	echo "there is no /dev/fuse: the kernel or the container does not allow FUSE mounts" >&2
	exit 1
fi
