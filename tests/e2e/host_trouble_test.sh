#!/bin/bash
# A registry, a disk or a node that misbehaves: one clear error, soon, and the next correct attempt works.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket locket-kvm locket-no-image
write_shim_config locket-kvm accelerator kvm
write_shim_config locket-no-image guest_image_dir "$RUN/nowhere"
seal_demo_image

registry_blob() { printf '%s/registry/docker/registry/v2/blobs/sha256/%s/%s/data' "$RUN" "${1:0:2}" "$1"; }
# with_bad_blob COMMAND...: runs `COMMAND BLOB` on a copy of the last layer in the registry, tries to pull, and puts
# it back.
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
  return "$status"
}
spoil() { printf 'X' | dd of="$1" bs=1 seek=5000 conv=notrunc status=none; }
cut() { truncate -s -4096 "$1"; }
registry_down() {
  stop registry
  local status=0
  refuses "$REGISTRY|connect" 120 run_pod --name unreachable || status=$?
  start_registry
  return "$status"
}
# A second registry over the same storage that wants to know who asks: user "user", password "s3cret".
start_locked_registry() {
  LOCKED=127.0.0.1:$(free_port)
  echo 'user:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK' > "$RUN/etc/htpasswd"
  sed "s/$REGISTRY/$LOCKED/" "$RUN/etc/registry.yml" > "$RUN/etc/locked.yml"
  echo "auth: {htpasswd: {realm: locked, path: $RUN/etc/htpasswd}}" >> "$RUN/etc/locked.yml"
  start locked docker-registry serve "$RUN/etc/locked.yml"
  wait_for 20 locked curl -s "http://$LOCKED/v2/"
}
# credentials PASSWORD: a docker config.json for the locked registry.
credentials() {
  printf '{"auths":{"%s":{"auth":"%s"}}}' "$LOCKED" "$(printf 'user:%s' "$1" | base64)" > "$RUN/$1.json"
}
pull_without_password() {
  refuses "401|[Aa]uth" 60 "$locket" pod run "$LOCKED/app:1" --initdata "$RUN/app.toml" --name locked
}
# manifest_with_media_type TAG TYPE: the sealed image with another media type for its last layer, under another tag.
manifest_with_media_type() {
  curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/app/manifests/1" |
    jq --arg type "$2" '.layers[-1].mediaType = $type' > "$RUN/odd.json"
  curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$RUN/odd.json" \
    "http://$REGISTRY/v2/app/manifests/$1"
}
unknown_media_type() {
  manifest_with_media_type odd application/vnd.oci.image.layer.v1.odd
  refuses 'layer.*application/vnd.oci.image.layer.v1.odd' 60 "$locket" image verify "$REGISTRY/app:odd" &&
    refuses 'application/vnd.oci.image.layer.v1.odd' 60 "$locket" pod run "$REGISTRY/app:odd" \
      --initdata "$RUN/app.toml" --name odd
}

restart_snapshotter() {
  stop snapshotter KILL
  start_snapshotter
  # containerd's client waits up to three seconds between its attempts to connect again.
  wait_for 20 snapshotter ctr --address "$CONTAINERD" --namespace k8s.io snapshots --snapshotter locket ls
  prints "$proof" run_pod --name again
}

held_by_a_vm() { "$locket" cache ls --json | jq -e 'any(.held_by_vm)' > /dev/null; }
# Upgrade or crash: the VM is not the snapshotter's, and has its blobs open itself.
running_pod_outlives_the_snapshotter() {
  local before
  run_pod --name outlives --detach -- /bin/sleep 1000 > /dev/null
  before=$(vms)
  [ -n "$before" ]
  held_by_a_vm
  restart_snapshotter
  held_by_a_vm || { say 'the new snapshotter does not see the VM'; return 1; }
  "$locket" cache gc > /dev/null
  [ "$(vms)" = "$before" ] || { say "VMs before: $before, after: $(vms)"; return 1; }
  "$locket" pod ls | grep outlives | grep -q running
  "$locket" pod stop outlives
}
# Whatever is lost of the cache comes back when a pod needs it.
lost_cache_comes_back() {
  rm "$RUN"/snapshotter/blobs/sha256/*
  prints "$proof" run_pod --name healed
}

"$locket" image inspect "$image" --json > "$RUN/inspected.json"
claim 'a blob with a wrong byte is refused by its digest' with_bad_blob 'the content is sha256:' spoil
claim 'a blob that is cut short is refused' with_bad_blob 'sha256' cut
claim 'an unreachable registry is named' registry_down
claim 'an unknown image is named' refuses 'not.found|unknown' 60 "$locket" pod run "$REGISTRY/app:none" \
  --initdata "$RUN/app.toml" --name none
claim 'an unknown media type is named' unknown_media_type
start_locked_registry
credentials s3cret
credentials wrong
claim 'the right password is taken' "$locket" image inspect "$LOCKED/app:1" --creds-file "$RUN/s3cret.json"
claim 'a wrong password is refused, and the registry named' refuses "$LOCKED.*401" 60 "$locket" image inspect \
  "$LOCKED/app:1" --creds-file "$RUN/wrong.json"
claim 'a registry that wants a password is named to whoever runs a pod' pull_without_password
claim 'KVM that does not work is named' refuses '[Kk][Vv][Mm]' 120 run_pod --name kvm --runtime-handler locket-kvm
claim 'a missing guest image is named' refuses "$RUN/nowhere" 60 run_pod --name no-image \
  --runtime-handler locket-no-image
claim 'then a pod runs' prints "$proof" run_pod --name good
export LOCKET_SNAPSHOTTER_SOCKET=$RUN/snapshotter.sock
claim 'a snapshotter killed and restarted serves on' restart_snapshotter
claim 'a running pod outlives its snapshotter' running_pod_outlives_the_snapshotter
claim 'a cache that was emptied by hand is filled again' lost_cache_comes_back
exit $failed
