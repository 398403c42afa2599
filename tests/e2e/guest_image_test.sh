#!/bin/bash
# The guest image is the same bytes wherever and whenever it is made.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
work=$(mktemp -d /tmp/locket-guest-image.XXXXXX)
trap 'rm -rf "$work"' EXIT
cp "$build/bin/locket-agent" "$work/agent"
TZ=Asia/Tokyo LC_ALL=C.UTF-8 guest-image/build --agent "$work/agent" --out "$work/out" --cache build/guest-image-cache \
  > /dev/null
for name in vmlinuz initramfs.img guest-image.json; do
  cmp "$work/out/$name" "$build/guest-image/$name" || {
    echo "FAILED: $name differs from one build to the next"
    exit 1
  }
done
echo 'ok: kernel, initramfs and description are the same bytes'
# The launch measurement is what the description says: SHA-384 over the digests of what is booted.
measured=$(python3 - "$work/out" << 'PYTHON'
import hashlib, json, pathlib, sys
out = pathlib.Path(sys.argv[1])
description = json.loads((out / "guest-image.json").read_text())
digest = lambda data: hashlib.sha384(data).digest()
parts = [digest((out / description[name]).read_bytes()) for name in ("kernel", "initrd")]
print(digest(b"locket-emulated-launch-v1\0" + b"".join(parts) + digest(description["cmdline"].encode())).hex())
PYTHON
)
[ "$measured" = "$(jq -r .measurements.emulated "$work/out/guest-image.json")" ] || {
  echo 'FAILED: the measurement is not that of the files'
  exit 1
}
echo 'ok: the measurement is that of the files'
