#!/usr/bin/env bash
# run_suite.sh BINARY BUILD_DIR: containerd's snapshotter suite against BINARY. Needs root (it mounts) and Debian's
# golang-go and golang-github-containerd-containerd-dev; exits with 77 (skipped) without them.
set -euo pipefail
binary=$1 build=$2
source=$(cd "$(dirname "$0")" && pwd)
skip() {
  echo "SKIPPED: $*"
  exit 77
}
[ "$(id -u)" -eq 0 ] || skip 'needs root to mount'
command -v go > /dev/null || skip 'needs Debian package golang-go'
[ -d /usr/share/gocode/src/github.com/containerd/containerd/snapshots/testsuite ] ||
  skip 'needs Debian package golang-github-containerd-containerd-dev'
[ -d /usr/share/gocode/src/gotest.tools/assert ] ||
  skip 'needs Debian package golang-github-gotestyourself-gotest.tools-dev'

# Debian has gotest.tools version 3 without the /v3 that its users import.
mkdir -p "$build" && build=$(cd "$build" && pwd)
mkdir -p "$build/gopath/src/gotest.tools"
ln -sfn /usr/share/gocode/src/gotest.tools "$build/gopath/src/gotest.tools/v3"
export GO111MODULE=off GOPATH=$build/gopath:/usr/share/gocode GOCACHE=$build/gocache
cd "$source"
go test -c -o "$build/suite.test" .
# Two at a time: every subtest has a server of its own.
TMPDIR=$(mktemp -d /tmp/ls.XXXXXX)
export TMPDIR LOCKET_SNAPSHOTTER=$binary
clean() {
  local mount
  for mount in $(awk -v dir="$TMPDIR/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r); do
    umount -l "$mount"
  done
  rm -rf "$TMPDIR"
}
trap clean EXIT
"$build/suite.test" -test.v -test.parallel 2 -test.root -test.timeout 10m
