#!/bin/bash
# What the guest, the broker and the tool refuse, each for its own reason, and that the next correct attempt works.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket locket-tampered
write_shim_config locket-tampered kernel_params locket.debug=1
seal_demo_image

flip_byte() {
  python3 - "$1" "$2" << 'PYTHON'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 1]))
PYTHON
}
# corrupt_layer INDEX OFFSET: runs a pod with one byte of the cached layer changed.
corrupt_layer() {
  local digest blob status=0
  digest=$(jq -r ".layers[$1].digest" "$RUN/inspected.json")
  blob=$RUN/snapshotter/blobs/sha256/${digest#sha256:}
  flip_byte "$blob" "$2"
  refuses 'dm-verity' 120 run_pod --name corrupt || status=$?
  flip_byte "$blob" "$2"
  return "$status"
}
# The registry has lost the blob, too: what it still has the snapshotter fetches again (host_trouble_test.sh).
missing_layer() {
  local hex blob data status=0
  hex=$(jq -r '.layers[-1].digest' "$RUN/inspected.json")
  hex=${hex#sha256:}
  blob=$RUN/snapshotter/blobs/sha256/$hex
  data=$RUN/registry/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data
  mv "$blob" "$RUN/aside"
  mv "$data" "$RUN/aside-data"
  refuses "$hex" 120 run_pod --name missing || status=$?
  mv "$RUN/aside-data" "$data"
  mv "$RUN/aside" "$blob"
  return "$status"
}
broker_down() {
  stop broker
  local status=0
  refuses 'broker|[Cc]onnection refused' 120 run_pod --name no-broker || status=$?
  start_broker
  return "$status"
}
other_initdata() {
  sed 's/allow_keyed = false/allow_keyed = true/; $ a # changed' "$RUN/app.toml" > "$RUN/other.toml"
  refuses 'host_data' 120 "$locket" pod run "$image" --initdata "$RUN/other.toml" --name other-initdata
}
other_image() {
  seal "$REGISTRY/app:2" # new key, new salt: another digest
  cp "$RUN/app.toml" "$RUN/second.toml"
  refuses 'allowed digests' 120 "$locket" pod run "$image" --initdata "$RUN/second.toml" --name other-image
}
no_policy() {
  "$locket" broker deny kbs:///demo/key/app
  local status=0
  refuses 'release policy' 120 run_pod --name no-policy || status=$?
  "$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" \
    --initdata "$RUN/app.toml"
  return "$status"
}

claim 'a pod runs' prints "$proof" run_pod --name good
"$locket" image inspect "$image" --json > "$RUN/inspected.json"
claim 'a flipped byte in the encrypted layer is refused' corrupt_layer -1 1024
claim 'a flipped byte in the base layer is refused' corrupt_layer 0 1024
claim 'with the bytes put back a pod runs again' prints "$proof" run_pod --name mended
claim 'a layer that is gone everywhere is named' missing_layer
claim "a changed kernel command line gets no key" refuses measurement 120 run_pod --name tampered \
  --runtime-handler locket-tampered
claim 'initdata the release policy does not name gets no key' other_initdata
claim 'without a release policy there is no key' no_policy
claim 'a broker that is down is named' broker_down
claim 'without initdata nothing runs' refuses 'no initdata' 120 "$locket" pod run "$image" --name bare
cp "$RUN/app.toml" "$RUN/first.toml"
claim 'an image that initdata does not name is refused' other_image
cp "$RUN/first.toml" "$RUN/app.toml"
claim 'an unsealed image is refused' refuses 'not sealed' 120 "$locket" pod run "$REGISTRY/pause:1" \
  --initdata "$RUN/app.toml" --name plain
claim 'after all that a pod runs' prints "$proof" run_pod --name last
exit $failed
