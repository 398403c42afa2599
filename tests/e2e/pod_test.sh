#!/bin/bash
# One sealed image, from registry to containers in VMs that checked it.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket
seal_demo_image

first_pod_runs() { prints "$proof" run_pod --name first; }
two_at_once() {
  run_pod --name left > "$RUN/left" & local left=$!
  run_pod --name right > "$RUN/right" & local right=$!
  wait "$left" && wait "$right" && grep -qxF "$proof" "$RUN/left" && grep -qxF "$proof" "$RUN/right"
}
streams_stay_apart() {
  run_pod --name streams -- /bin/sh -c 'echo out; echo err >&2' > "$RUN/out" 2> "$RUN/err"
  [ "$(cat "$RUN/out")" = out ] && grep -qx err "$RUN/err" && ! grep -q out "$RUN/err"
}
detached_pod_lives_until_stopped() {
  run_pod --name long --detach -- /bin/sleep 1000 > /dev/null
  "$locket" pod ls | grep -q 'long' && "$locket" pod stop long && ! "$locket" pod ls | grep -q 'long'
}
nothing_is_left_of_pods() {
  [ -z "$(vms)" ] && [ -z "$(find "$RUN/shim" -name console.log)" ]
}
secret_is_nowhere() {
  local secret; secret=$(cat "$RUN/secret")
  ! grep -rlaF "$secret" "$RUN"/{containerd,snapshotter,registry,broker,shim,log}
}
killed_vm_ends_the_pod() {
  run_pod --name victim -- /bin/sleep 1000 > "$RUN/victim" 2>&1 & local pod=$!
  local until=$((SECONDS + 90)) vm
  until "$locket" pod ls --json |
    jq -e '.. | objects | select(.name? == "victim") | .containers[]? | select(.state == "running")' \
      > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { say 'the pod never ran'; return 1; }
    sleep 0.2
  done
  vm=$(vms | head -1)
  kill -KILL "$vm"
  local status=0
  wait "$pod" || status=$?
  [ "$status" -ne 0 ] || { say 'the pod claims success'; return 1; }
}

claim 'containerd takes the configuration that we ship' shipped_configuration_loads
claim 'a pod opens the encrypted image and proves it knows the secret' first_pod_runs
claim 'a second pod costs no layer byte at the registry' costs_at_most 0 prints "$proof" run_pod --name second
claim 'two pods run at once' two_at_once
claim "a container's exit status is the command's" exits 7 run_pod --name seven -- /bin/sh -c 'exit 7'
claim 'stdout and stderr stay apart' streams_stay_apart
claim 'a command that the tenant did not allow is refused' refuses 'not allowed|allow_commands' 90 run_pod \
  --name other -- /bin/ls /
claim 'a detached pod lives until it is stopped' detached_pod_lives_until_stopped
claim 'a killed VM ends its pod with an error' killed_vm_ends_the_pod
claim 'nothing is left of pods that ended' nothing_is_left_of_pods
claim 'the secret is in no file of the host' secret_is_nowhere
exit $failed
