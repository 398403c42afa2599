# What the scripts of this directory share. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source=scripts/debian-suite.sh
. "$(dirname "$0")/../scripts/debian-suite.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch SUITE PACKAGE=VERSION...: unpacks these packages of Debian SUITE, and all that they depend on, into $work/root.
fetch() {
  local package suite=$1
  shift
  suite_apt "$work/apt" "$suite" deb && "${suite_apt[@]}" install --yes --download-only \
    --no-install-recommends "$@" >> "$work/apt/log" 2>&1 ||
    { echo "$(basename "$0"): Debian $suite does not have $*: $(tail -n 1 "$work/apt/log")" >&2; exit 77; }
  mkdir -p "$work/root"
  for package in "$work"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$work/root"
  done
  echo "with $*"
}
# unpacked PROGRAM ARGUMENT...: runs a program of these packages, with their loader and their libraries.
unpacked() {
  local program=$work/root/usr/bin/$1 libraries=$work/root/usr/lib/x86_64-linux-gnu
  [ -e "$program" ] || program=$work/root/usr/sbin/$1
  [ -e "$program" ] || program=$work/root/bin/$1
  [ -e "$libraries/ld-linux-x86-64.so.2" ] || libraries=$work/root/lib/x86_64-linux-gnu
  shift
  "$libraries/ld-linux-x86-64.so.2" \
    --library-path "$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu" "$program" "$@"
}
# saw TEXT EXPECTED ACTUAL: states what was seen, and fails if that has changed.
saw() {
  if [ "$2" != "$3" ]; then
    echo "$(basename "$0"): this has changed: $1: expected '$2', saw '$3'" >&2
    exit 1
  fi
  echo "$1: $3"
}
