#!/usr/bin/env bash
# Runs a wasip1 test binary: `go test -exec` calls it with the binary and its
# arguments, in the package's folder. The tests may read everything and write
# below the temporary folder only.
set -euo pipefail

temporary=$(realpath "${TMPDIR:-/tmp}")
# The runtime is a program of this machine, whatever the tests are built for.
wazero=$(env -u GOOS -u GOARCH "${GO:-go}" tool -n wazero)
exec "$wazero" run -env-inherit -env "PWD=$PWD" -env "TMPDIR=$temporary" \
	-mount /:/:ro -mount "$temporary:$temporary" \
	-cachedir "${XDG_CACHE_HOME:-$HOME/.cache}/rvffs-wazero" "$@"
