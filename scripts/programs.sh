#!/usr/bin/env bash
# Installs all programs of the table in test/integration/every_program_test.go: the packages
# that stand there, and the modules of npm into bin/programs.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t packages < <(sed -n 's/^\t{program: .*from: "\([^"]*\)", does.*/\1/p' test/integration/every_program_test.go | sort -u)
missing=()
for package in "${packages[@]}" openssh-sftp-server; do
	case $package in
	npm\ * | golang) ;;
	*) [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == *' installed' ]] || missing+=("$package") ;;
	esac
done
if ((${#missing[@]} > 0)); then
	echo "installing: ${missing[*]}" >&2
	sudo=()
	if ((EUID != 0)); then
		sudo=(sudo)
	fi
	"${sudo[@]}" apt-get -o DPkg::Lock::Timeout=120 update -qq
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The library of polars is a module for each kind of machine, which npm passes over where
# Node.js is older than that module asks for, though it works.
mkdir -p bin/programs
npm install --silent --no-save --no-audit --no-fund --prefix bin/programs \
	nodejs-polars@0.26.1 "nodejs-polars-linux-$(node -p process.arch)-gnu@0.26.1"
