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
ctr_pull() { ctr -a "$CONTAINERD" -n k8s.io images pull ${3:+"$3"} --plain-http --snapshotter "$1" "$2" > "$RUN/log/ctr.log" 2>&1 || { cat "$RUN/log/ctr.log"; return 1; }; }
locket_has_the_layers() { [ "$(ctr -a "$CONTAINERD" -n k8s.io snapshots --snapshotter locket ls | grep -c Committed)" -ge 4 ]; }
ctr_pull_runs() {
  ctr -a "$CONTAINERD" -n k8s.io images rm --sync "$image" > /dev/null
  ctr_pull locket "$image"
  costs_nothing pulled
}

claim "containerd is the one of Debian $suite" asked_for
claim 'it takes the configuration that we ship' shipped_configuration_loads
claim 'a pod runs, its image pulled by CRI' pod_runs first
claim 'a second one costs no layer byte' costs_nothing second
again runtime
ctr_pull overlayfs "$REGISTRY/pause:1" --local
claim "with a snapshotter for each runtime, a sandbox image that only the others' has is missed" refuses 'parent snapshot .* does not exist' 60 run_pod --name early
ctr_pull locket "$REGISTRY/pause:1" --local
claim 'once it is unpacked for locket, too, a pod runs, although containerd lost its metadata, and costs no layer byte' costs_nothing third
claim "its layers are in its runtime's snapshotter" locket_has_the_layers
if [ "${version%%.*}" -ge 2 ]; then
  again transfer
  claim 'a pod runs, its image pulled by the transfer service' costs_nothing fourth
  claim 'and one whose image ctr pulled' ctr_pull_runs
fi
exit $failed
