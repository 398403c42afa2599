#!/bin/bash
# Fails when systemd does not understand a unit of deploy/, or finds it more exposed than we left it. Needs no running
# systemd.
set -euo pipefail
cd "$(dirname "$0")/../../deploy"
command -v systemd-analyze > /dev/null || { echo 'skipped: needs systemd-analyze of Debian package systemd'; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for unit in *.service *.socket; do
  # The programs themselves are not installed here.
  sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" > "$dir/$unit"
done
complaints=$(cd "$dir" && systemd-analyze verify --man=no ./*.service ./*.socket 2>&1 | grep -F "$dir" || true)
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
# systemd's own scale: 0 is safe, 100 is unsafe.
declare -A most=([locket-snapshotter.service]=25 [locket-broker.service]=20 [locket-device-plugin.service]=20)
for unit in *.service; do
  systemd-analyze security --offline=true --no-pager --threshold="${most[$unit]}" "./$unit" > "$dir/report" ||
    { grep '^✗' "$dir/report"; tail -n 1 "$dir/report"; exit 1; }
done
