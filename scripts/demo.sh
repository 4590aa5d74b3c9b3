#!/usr/bin/env bash
# Shows a vector store's life with nothing but the programs that every machine
# has. Works in a temporary folder and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
rvffs=$PWD/bin/rvffs

work=$(mktemp -d)
mkdir "$work/stores" "$work/mnt"
cleanup() {
	cd /
	if mountpoint -q "$work/mnt"; then
		"$rvffs" umount "$work/mnt"
	fi
	rm -rf "$work"
}
trap cleanup EXIT

step() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { # a command line, then what it prints
	printf '\033[32m$ %s\033[0m\n' "$1"
	bash -euo pipefail -c "$1"
}

step 'A folder of stores becomes a file system'
show "'$rvffs' mount '$work/stores' '$work/mnt'"
cd "$work/mnt"

step 'A store is a folder. Vectors go in by a redirection …'
show 'mkdir products.rvf'
show 'echo "[0.1, 0.2, 0.3, 0.4]" > products.rvf/vectors.append'
show "echo '{\"id\": 100, \"vector\": [1, 2, 3, 4]}' >> products.rvf/vectors.append"

step '… or from numpy, a thousand at once'
show "/usr/bin/python3 -c 'import numpy; numpy.random.rand(1000, 4).astype(\"<f4\").tofile(\"products.rvf/vectors.append\")'"

step 'Bad data is refused at once, whole'
show 'echo "[1, 2, 3]" > products.rvf/vectors.append || echo "refused: exit status $?"'

step 'Everything in a store is a file'
show 'ls -l products.rvf products.rvf/segments'
show 'jq . products.rvf/manifest.json | head -n 30'

step 'Deriving a child is mkdir; the lineage tree is the directory tree'
show 'mkdir products.rvf/genes.rvdna'
show 'jq . products.rvf/genes.rvdna/identity.json'
show 'find . -maxdepth 2 -name "*.rv*"'
show 'ls -l'

step 'A backup under load is a copy'
show "cp products.rvf/raw '$work/backup.rvf' && cmp '$work/backup.rvf' products.rvf/raw && echo the same bytes"

step 'And the stores are still plain files in their folder'
cd "$work"
show "'$rvffs' umount '$work/mnt'"
show "ls -l '$work/stores'"
