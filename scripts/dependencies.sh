#!/usr/bin/env bash
# Installs the Debian packages that the tests and the demonstration need. Asks
# the package manager for nothing that is there already.
set -euo pipefail

missing=()
need() { # PACKAGE CHECK…: the package, unless the check succeeds
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}

need fuse3 command -v fusermount3
need nodejs command -v node
need npm command -v npm
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need jq command -v jq
need rsync command -v rsync
need attr command -v getfattr
# The race detector is linked by a C compiler.
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdlib.h
# Debian's own Python by its full name: another one may come first on the path.
need python3-numpy /usr/bin/python3 -c 'import numpy'

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
	"${install[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [[ ! -e /dev/fuse ]]; then
	modprobe fuse 2>/dev/null || true
fi
if [[ ! -e /dev/fuse ]]; then
	echo "there is no /dev/fuse: the kernel or the container does not allow FUSE mounts" >&2
	exit 1
fi
