#!/bin/bash
# An unmodified public image, converted by the host: it runs if the tenant allowed what the tenant measured, and not
# otherwise.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket
stop snapshotter
printf 'convert = true\n' > "$RUN/etc/snapshotter.toml"
start_snapshotter --config "$RUN/etc/snapshotter.toml"
echo 'nothing secret' > "$RUN/secret"
scripts/demo/build-images build/demo-cache "$RUN/oci" "$RUN/secret"
image=$REGISTRY/library/app:1
skopeo copy -q --dest-tls-verify=false "oci:$RUN/oci:app" "docker://$image"
skopeo copy -q --dest-tls-verify=false "oci:$RUN/oci:pause" "docker://$REGISTRY/pause:1"
"$locket" image measure "$image" --json > "$RUN/measured.json" 2> "$RUN/log/measure.log"
measured=$(jq -r .sealed_manifest_digest "$RUN/measured.json")
proof="uid 1000, secret proof: $(openssl dgst -sha256 -hmac locket-demo "$RUN/secret" | sed 's/.* //')"

# allow FILE DIGEST: initdata that lets one manifest run, and no broker.
allow() { "$locket" initdata create --allow-digest "$2" -o "$1"; }
run_public() { "$locket" pod run "$image" --initdata "$1" --name "$2"; }

first_pod_runs() { prints "$proof" run_public "$RUN/app.toml" first; }
root_hashes_agree() {
  local manifest=$RUN/snapshotter/blobs/sha256/${measured#sha256:}
  [ "$(jq -c '[.layers[].annotations."dev.locket.verity.root-hash"]' "$manifest")" = \
    "$(jq -c '[.layers[].root_hash]' "$RUN/measured.json")" ]
}
nothing_ordinary_is_left() {
  local digest
  for digest in $(skopeo inspect --raw --tls-verify=false "docker://$image" | jq -r '.layers[].digest'); do
    [ ! -e "$RUN/snapshotter/blobs/sha256/${digest#sha256:}" ] || return 1
  done
}
one_digit_off() {
  local last=${measured: -1}
  allow "$RUN/wrong.toml" "${measured%?}$([ "$last" = 0 ] && echo 1 || echo 0)"
  refuses 'allowed digests' 120 run_public "$RUN/wrong.toml" wrong
}
ordinary_digest() {
  allow "$RUN/ordinary.toml" "$(jq -r .manifest_digest "$RUN/measured.json")"
  refuses 'allowed digests' 120 run_public "$RUN/ordinary.toml" ordinary
}
host_changes_a_byte() {
  local digest blob status=0
  digest=$(jq -r '.layers[0].blob_digest' "$RUN/measured.json")
  blob=$RUN/snapshotter/blobs/sha256/${digest#sha256:}
  cp "$blob" "$RUN/kept"
  python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(1024); b = f.read(1)[0]; f.seek(1024)
f.write(bytes([b ^ 1]))' "$blob"
  refuses 'dm-verity' 120 run_public "$RUN/app.toml" changed || status=$?
  cp "$RUN/kept" "$blob"
  return "$status"
}
runs_after_a_restart() {
  stop snapshotter KILL
  start_snapshotter --config "$RUN/etc/snapshotter.toml"
  # containerd's client waits up to three seconds between its attempts to connect again.
  wait_for 20 snapshotter ctr --address "$CONTAINERD" --namespace k8s.io snapshots --snapshotter locket ls
  prints "$proof" run_public "$RUN/app.toml" again
}

# Pushes the layout's image NAME, and allows what is measured of it in NAME.toml.
publish() {
  skopeo copy -q --dest-tls-verify=false "oci:$RUN/oci:$1" "docker://$REGISTRY/library/$1:1"
  allow "$RUN/$1.toml" "$("$locket" image measure "$REGISTRY/library/$1:1" --json 2>> "$RUN/log/measure.log" |
    jq -r .sealed_manifest_digest)"
}
# run_other IMAGE NAME
run_other() { "$locket" pod run "$REGISTRY/library/$1:1" --initdata "$RUN/$1.toml" --name "$2"; }
equal_layers_run() {
  relative equal app --config.user 0
  publish equal
  # What measuring takes is the tenant's.
  costs_at_most 4095 prints "${proof/uid 1000/uid 0}" run_other equal equal
  prints "$proof" run_public "$RUN/app.toml" unequal
}
base_runs() {
  relative small base --config.entrypoint /bin/sh --config.entrypoint -c --config.entrypoint 'echo base' \
    --config.env PATH=/usr/bin:/bin
  publish small
  prints base run_other small small
}
moved_tag_runs() {
  skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/library/equal:1" "docker://$image"
  # CRI pulls a tag that it has only when it is told to.
  ctr -a "$CONTAINERD" -n k8s.io images rm --sync "$image" > /dev/null
  prints "${proof/uid 1000/uid 0}" run_public "$RUN/equal.toml" moved
}

allow "$RUN/app.toml" "$measured"
claim 'a public image runs in a VM that allows the manifest its tenant measured' first_pod_runs
claim 'the host arrived at the root hashes that were measured' root_hashes_agree
claim 'a second pod costs no layer byte at the registry' costs_at_most 0 prints "$proof" run_public "$RUN/app.toml" \
  second
claim 'no ordinary layer is left on the host' nothing_ordinary_is_left
claim 'an allowed digest with one digit changed refuses it' one_digit_off
claim "so does the ordinary manifest's digest" ordinary_digest
claim 'a byte that the host changes is found' host_changes_a_byte
claim 'an excepted image is not converted' refuses 'not sealed' 120 "$locket" pod run "$REGISTRY/pause:1" \
  --initdata "$RUN/app.toml" --name plain
claim 'after a restart of the snapshotter it runs again' runs_after_a_restart
claim 'an image of equal layers runs by its own config, and costs no layer byte' equal_layers_run
claim 'so does a base that is pulled after an image built on it' base_runs
claim 'a tag that moved to another config runs by that' moved_tag_runs
exit $failed
