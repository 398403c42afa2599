#!/bin/bash
# The Debian packages: installed into a directory of their own, they hold all that their own files name, and purged
# they leave nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
work=$(mktemp -d /tmp/locket-packages.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root
fail() {
  echo "FAILED: $*"
  exit 1
}

scripts/build-packages "$build" "$work/again" > /dev/null & again=$!
scripts/build-packages "$build" "$work/debs" > /dev/null
wait $again
for deb in "$work"/debs/*.deb; do
  cmp "$deb" "$work/again/${deb##*/}" || fail 'a package differs from one build to the next'
done
echo 'ok: the same build gives the same packages'

# Maintainer scripts run, and find the directory in DPKG_ROOT.
package() {
  dpkg --root="$root" --log=/dev/null --force-depends --force-script-chrootless "$@" > "$work/log" 2>&1 ||
    fail "$(cat "$work/log")"
}
mkdir -p "$root"/var/lib/dpkg/{info,updates}
touch "$root/var/lib/dpkg/status"
package --install "$work"/debs/*.deb
mapfile -t installed < <(dpkg-query --root="$root" -W -f '${Package}\n')
[ "${installed[*]}" = 'locket locket-broker locket-device-plugin locket-node locket-tee-emulator' ] ||
  fail "installed: ${installed[*]}"

named=$(sed -n -e 's|^ExecStart=\([^ ]*\).*|\1|p' -e 's|^Documentation=file://||p' "$root"/lib/systemd/system/*
  sed -n 's|.*--config \(/etc/[^ ]*\).*|\1|p' "$root"/lib/systemd/system/*
  sed -n 's|^ *ConfigPath = "\(.*\)"|\1|p' "$root/usr/share/locket/containerd.toml"
  sed -n 's|^guest_image_dir = "\(.*\)"|\1/guest-image.json|p' "$root/etc/locket/runtime-shim.toml"
  grep -oh '/usr/share/[a-z/]*/[a-z_.-]*[a-z]' "$work/log")
[ "$(wc -l <<< "$named")" -ge 10 ] || fail "too few files are named: $named"
for file in $named; do
  [ -e "$root$file" ] || fail "no package holds $file"
done
echo 'ok: units, configuration and messages name files that the packages hold'

cmp "$build/guest-image/initramfs.img" "$root/usr/lib/locket/guest-image/initramfs.img" ||
  fail 'the guest image is another'
"$root/usr/bin/locket-snapshotter" --check-config --config "$root/etc/locket/snapshotter.toml"
"$root/usr/bin/locket-device-plugin" --check-config --config "$root/etc/locket/device-plugin.toml"
for shell in bash zsh fish; do
  find "$root/usr/share" -path "*$shell*" -name '*locket*' -size +1k | grep -q . ||
    fail "nothing completes commands for $shell"
done
echo 'ok: the guest image is the one that was built, programs start, shells complete'

# Every program and every group of commands has a man page, which man renders without a warning and apropos can index.
groups=$("$root/usr/bin/locket" --help | sed '1,/^Subcommands:/d' | sed -n '/^$/q; s/^  \([a-z]\+\) .*/1 locket-\1/p' |
  grep -v version)
[ "$(wc -l <<< "$groups")" -ge 8 ] || fail "too few groups of commands: $groups"
programs=$(find "$root/usr/bin" -name '*locket*' -printf '8 %f\n' | sed 's/^8 locket$/1 locket/')
while read -r section name; do
  page=$root/usr/share/man/man$section/$name.$section.gz
  [ "$(man -M "$root/usr/share/man" -w "$section" "$name")" = "$page" ] || fail "no man page $name($section)"
  lexgrog "$page" | grep -q ": \"$name - " || fail "$page has no name and summary: $(lexgrog "$page")"
  warnings=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 > /dev/null)
  [ -z "$warnings" ] || fail "$page: $warnings"
  for file in $(zgrep -oh '/usr/share/doc/locket[a-zA-Z/._-]*[a-z]' "$page"); do
    [ -e "$root$file" ] || fail "$name($section) names $file, which no package holds"
  done
done <<< "$groups
$programs"
echo 'ok: programs and groups of commands have man pages'

enabled=$(find "$root/etc/systemd" -type l -printf '%f\n' | sort | tr '\n' ' ')
[ "$enabled" = 'locket-device-plugin.service locket-snapshotter.service locket-snapshotter.socket ' ] ||
  fail "enabled: $enabled"
echo 'ok: snapshotter and device plugin are enabled, and nothing that needs more configuration'

mkdir -p "$root/var/lib/locket-snapshotter/blobs" "$root/var/lib/locket-broker"
package --purge "${installed[@]}"
grep -q 'the keys stay in /var/lib/locket-broker' "$work/log" ||
  fail "purging does not say where the keys are: $(cat "$work/log")"
left=$(find "$root" -name '*locket*' -not -path "$root/var/lib/dpkg/*")
[ "$left" = "$root/var/lib/locket-broker" ] || fail "purging leaves: $left"
echo 'ok: purged, they leave the keys of the broker and nothing else'
