#!/usr/bin/env bash
# Puts Debian's kernel into a store with cp, takes it out with cp, and boots what
# came out in an emulator, up to its first line on the console.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/bin:$PATH
. scripts/show.sh
kernel=$PWD/test/integration/testdata/debian-kernel/vmlinuz

need() { # PACKAGE CHECK…
	local package=$1
	shift
	"$@" >/dev/null 2>&1 && return
	local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
	((EUID == 0)) || install=(sudo "${install[@]}")
	"${install[@]}" install -y -qq --no-install-recommends "$package" >/dev/null
}
need qemu-system-x86 command -v qemu-system-x86_64

work=$(mktemp -d)
mkdir "$work/stores" "$work/mnt"
cleanup() {
	cd /
	if mountpoint -q "$work/mnt"; then
		rvffs umount "$work/mnt"
	fi
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work"

export kernel
show 'rvffs create stores/bootable.rvf --dimension 4'
show 'rvffs mount stores mnt'
show 'cp "$kernel" mnt/bootable.rvf/kernel/image'
show 'echo -n "console=ttyS0 panic=-1" > mnt/bootable.rvf/kernel/cmdline'
show 'jq -r "[.arch, .kernel_type, .image_size, .image_integrity] | @tsv" mnt/bootable.rvf/kernel/header.json'
show 'cp mnt/bootable.rvf/kernel/image extracted'
# The kernel finds no root file system and ends, and the emulator with it; what
# counts is its first line.
show 'timeout 120 qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -nodefaults -serial stdio -kernel extracted \
	-append "$(cat mnt/bootable.rvf/kernel/cmdline)" </dev/null 2>&1 | grep -a -o "Linux version.*"'
