#!/bin/bash
# containerd_test BUILD_DIR SUITE: a later containerd, by each way that it has to the snapshotter.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
version=$(containerd --version | grep -o ' v\?[12]\.[0-9.]*' | tr -d ' v')
say "containerd $version"
stack_up locket
seal_demo_image

asked_for() { ctr -a "$CONTAINERD" version | grep -A1 Server | grep -qF "$version"; }
pod_runs() { prints "$proof" run_pod --name "$1"; }
# A config, if containerd has lost it, is smaller than a layer can be.
costs_nothing() { costs_at_most 4095 pod_runs "$1"; }
# containerd and its metadata made anew, with another way to the snapshotter.
again() {
  stop containerd
  rm -rf "$RUN/containerd"
  PULL=$1 write_containerd_config locket
  start_containerd
}
# ctr_pull SNAPSHOTTER IMAGE [OPTION]
ctr_pull() {
  ctr -a "$CONTAINERD" -n k8s.io images pull ${3:+"$3"} --plain-http --snapshotter "$1" "$2" \
    > "$RUN/log/ctr.log" 2>&1 || {
    cat "$RUN/log/ctr.log"
    return 1
  }
}
locket_has_the_layers() {
  [ "$(ctr -a "$CONTAINERD" -n k8s.io snapshots --snapshotter locket ls | grep -c Committed)" -ge 4 ]
}
ctr_pull_runs() {
  ctr -a "$CONTAINERD" -n k8s.io images rm --sync "$image" > /dev/null
  ctr_pull locket "$image"
  costs_nothing pulled
}

# Images in plain text: their layers are the same whenever they are sealed. seal_plain NAME, and run_plain NAME.
seal_plain() {
  "$locket" image seal "oci:$RUN/oci:$1" "$REGISTRY/$1:1" --encrypt-layers none --json > "$RUN/$1.json" 2> /dev/null
  "$locket" initdata create --allow-digest "$(jq -r .manifest_digest "$RUN/$1.json")" -o "$RUN/$1.toml"
}
run_plain() { "$locket" pod run "$REGISTRY/$1:1" --initdata "$RUN/$1.toml" --name "$1"; }
relatives_run() {
  local name
  relative plain app --config.label name=plain
  relative equal app --config.user 0
  relative small base --config.entrypoint /bin/sh --config.entrypoint -c --config.entrypoint 'echo base' \
    --config.env PATH=/usr/bin:/bin
  for name in plain equal small; do seal_plain "$name"; done
  prints "$proof" run_plain plain
  prints "${proof/uid 1000/uid 0}" run_plain equal
  prints base run_plain small
}
host_mount_is_refused() {
  mkdir -p "$RUN/mnt"
  refuses 'the image is sealed: only a guest opens its layers' 60 \
    ctr -a "$CONTAINERD" -n k8s.io images mount --snapshotter locket "$image" "$RUN/mnt"
}

claim "containerd is the one of Debian $suite" asked_for
claim 'it takes the configuration that we ship' shipped_configuration_loads
claim 'a pod runs, its image pulled by CRI' pod_runs first
claim 'a second one costs no layer byte' costs_nothing second
claim 'images of equal layers run by their own configs, and a base after one built on it' relatives_run
claim 'a sealed image is not mounted on the host, and why is said' host_mount_is_refused
again runtime
ctr_pull overlayfs "$REGISTRY/pause:1" --local
claim "with a snapshotter for each runtime, a sandbox image that only the others' has is missed" refuses \
  'parent snapshot .* does not exist' 60 run_pod --name early
ctr_pull locket "$REGISTRY/pause:1" --local
claim \
  'once it is unpacked for locket, too, a pod runs, although containerd lost its metadata, and costs no layer byte' \
  costs_nothing third
claim "its layers are in its runtime's snapshotter" locket_has_the_layers
if [ "${version%%.*}" -ge 2 ]; then
  again transfer
  claim 'a pod runs, its image pulled by the transfer service' costs_nothing fourth
  claim 'and one whose image ctr pulled' ctr_pull_runs
fi
exit $failed
