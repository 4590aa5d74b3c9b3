# What demonstrations print, to be read by their scripts.

bold='' green='' plain=''
if [ -t 1 ]; then
	bold=$'\033[1m' green=$'\033[32m' plain=$'\033[0m'
fi
step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { # a command line, then what it prints
	printf '%s$ %s%s\n' "$green" "$1" "$plain"
	bash -euo pipefail -c "$1"
}
