#!/bin/bash
# A registry, a disk or a node that misbehaves: one clear error, soon, and the next correct attempt works.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket locket-kvm locket-no-image
write_shim_config locket-kvm accelerator kvm
write_shim_config locket-no-image guest_image_dir "$RUN/nowhere"
seal_demo_image

registry_blob() { printf '%s/registry/docker/registry/v2/blobs/sha256/%s/%s/data' "$RUN" "${1:0:2}" "$1"; }
# with_bad_blob COMMAND...: runs `COMMAND BLOB` on a copy of the last layer in the registry, tries to pull, and puts it back.
with_bad_blob() {
  local pattern=$1 hex blob status=0
  shift
  hex=$(jq -r '.layers[-1].digest' "$RUN/inspected.json")
  hex=${hex#sha256:}
  blob=$(registry_blob "$hex")
  cp "$blob" "$RUN/good-blob"
  "$@" "$blob"
  refuses "$pattern" 120 run_pod --name bad-blob || status=$?
  cp "$RUN/good-blob" "$blob"
  return $status
}
spoil() { printf 'X' | dd of="$1" bs=1 seek=5000 conv=notrunc status=none; }
cut() { truncate -s -4096 "$1"; }
registry_down() {
  stop registry
  local status=0
  refuses "$REGISTRY|connect" 120 run_pod --name unreachable || status=$?
  start_registry
  return $status
}
restart_snapshotter() {
  stop snapshotter KILL
  start_snapshotter
  # containerd's client waits up to three seconds between its attempts to connect again.
  wait_for 20 snapshotter ctr --address "$CONTAINERD" --namespace k8s.io snapshots --snapshotter locket ls
  prints "$proof" run_pod --name again
}

"$locket" image inspect "$image" --json > "$RUN/inspected.json"
claim 'a blob with a wrong byte is refused by its digest' with_bad_blob 'the content is sha256:' spoil
claim 'a blob that is cut short is refused' with_bad_blob 'sha256' cut
claim 'an unreachable registry is named' registry_down
claim 'an unknown image is named' refuses 'not.found|unknown' 60 "$locket" pod run "$REGISTRY/app:none" --initdata "$RUN/app.toml" --name none
claim 'KVM that does not work is named' refuses '[Kk][Vv][Mm]' 120 run_pod --name kvm --runtime-handler locket-kvm
claim 'a missing guest image is named' refuses "$RUN/nowhere" 60 run_pod --name no-image --runtime-handler locket-no-image
claim 'then a pod runs' prints "$proof" run_pod --name good
claim 'a snapshotter killed and restarted serves on' restart_snapshotter
exit $failed
