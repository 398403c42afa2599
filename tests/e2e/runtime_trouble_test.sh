#!/bin/bash
# containerd, shim and VM killed under running pods, one by one and together: pods live on or end, and nothing of them
# is left.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket
seal_demo_image

run_sleeper() {
  run_pod --name "$1" --detach -- /bin/sleep 1000 > /dev/null
  [ -n "$(vms)" ] && [ "$(state_of "$1")" = running ]
}
# The pod is removed, and with it every process and file of its VM.
is_cleared_away() {
  "$locket" pod stop "$1" > /dev/null
  becomes '' 20 vms
  becomes '' 20 shims
  [ -z "$(find "$RUN/shim" -name qemu.pid)" ] || { find "$RUN/shim"; return 1; }
}

outlives_containerd() {
  local before
  run_sleeper outlives
  before=$(vms)
  stop containerd KILL
  start_containerd
  [ "$(vms)" = "$before" ] || { say "VMs before: $before, after: $(vms)"; return 1; }
  becomes running 20 state_of outlives
  is_cleared_away outlives
}
dies_while_containerd_is_down() {
  run_sleeper lost
  stop containerd KILL
  kill -KILL "$(vms)"
  start_containerd
  becomes exited 60 state_of lost
  is_cleared_away lost
}
shim_is_killed() {
  run_sleeper headless
  kill -KILL "$(shims)"
  becomes '' 30 vms
  becomes exited 30 state_of headless
  is_cleared_away headless
}
shim_and_containerd_are_killed() {
  run_sleeper orphan
  stop containerd KILL
  kill -KILL "$(shims)"
  [ -n "$(vms)" ]
  start_containerd
  becomes '' 60 vms
  is_cleared_away orphan
}
# Its QEMU is stopped, so agent and QMP say nothing, and TERM ends it no more.
guest_that_answers_nothing() {
  run_sleeper hung
  kill -STOP "$(vms)"
  local before=$SECONDS
  bounded 60 is_cleared_away hung
  [ $((SECONDS - before)) -le 45 ] || { say "it took $((SECONDS - before)) s"; return 1; }
}

claim 'a running pod outlives containerd, and obeys the new one' outlives_containerd
claim 'a VM that dies while containerd is down is seen as ended' dies_while_containerd_is_down
claim 'a killed shim takes its VM along' shim_is_killed
claim 'a VM that lost shim and containerd ends when containerd is back' shim_and_containerd_are_killed
claim 'a guest that answers nothing can be stopped and removed' guest_that_answers_nothing
claim 'after all that a pod runs' prints "$proof" run_pod --name last --rm
exit $failed
