#!/bin/bash
# A pod's VM in the pod's cgroup, on this machine's real ones: who is in it, what is counted, what is left, and what a
# limit does.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"

# Where the host's hierarchies are, and in each one a cgroup like the kubelet's for a pod. Skips where there is none
# to write to.
pod=locket-test.$$
mounts=()
make_pod_cgroups() {
  local type point
  while read -r type point; do
    case $type in cgroup | cgroup2) ;; *) continue ;; esac
    if mkdir "$point/$pod" 2> /dev/null; then mounts+=("$point"); fi
  done < <(awk '{ for (i = 7; i < NF; i++) if ($i == "-") { print $(i + 1), $5; break } }' /proc/self/mountinfo)
  [ ${#mounts[@]} -gt 0 ] || { say 'skipped: no cgroup can be made on this host'; exit 77; }
}
remove_pod_cgroups() {
  local point
  for point in "${mounts[@]}"; do rmdir "$point/$pod" || say "left: $point/$pod"; done
}
trap 'finish; remove_pod_cgroups' EXIT
make_pod_cgroups
# The hierarchy that counts memory, and the names of its files.
if [ -e "/sys/fs/cgroup/memory/$pod" ]; then
  memory=/sys/fs/cgroup/memory/$pod current=memory.usage_in_bytes limit=memory.limit_in_bytes none=-1
else
  memory=/sys/fs/cgroup/$pod current=memory.current limit=memory.max none=max
fi
[ -e "$memory/$limit" ] || { say 'skipped: no cgroup counts memory on this host'; exit 77; }

take_memory='a=0123456789abcdef; while :; do a=$a$a; done'
allowed=(--allow-command "$(jq -cn --arg script "$take_memory" '["/bin/sh", "-c", $script]')")
stack_up locket off
seal_demo_image
cp "$RUN/etc/shim-locket.toml" "$RUN/shim.toml"
configure() { { printf 'memory_mib = 256\n%s\n' "${2:-}"; cat "$RUN/shim.toml"; } > "$RUN/etc/shim-$1.toml"; }
configure locket
configure off 'pod_cgroup = false'

run_detached() { "$locket" pod run "$image" --initdata "$RUN/app.toml" --detach "$@" -- /bin/sleep 1000 > /dev/null; }
ours() { find "${mounts[@]/%//$pod}" -mindepth 1 -type d; }
nothing_is_left() {
  local until=$((SECONDS + 30))
  while [ -n "$(vms)$(shims)$(ours)" ]; do
    [ "$SECONDS" -lt "$until" ] || { vms; shims; ours; return 1; }
    sleep 0.2
  done
}
# Each hierarchy that has the pod's cgroup and takes processes; a cpuset made by mkdir takes none.
is_inside() {
  local pid=$1 point
  for point in "${mounts[@]}"; do
    [ -e "$point/$pod/cpuset.cpus" ] && [ -z "$(tr -d ' \n' < "$point/$pod/cpuset.cpus")" ] && continue
    grep -qx "$pid" "$point/$pod"/locket-*/cgroup.procs || { say "process $pid is not in $point/$pod"; return 1; }
  done
}
vm_is_inside_and_counted() {
  local pid bytes
  run_detached --name inside --cgroup-parent "/$pod"
  for pid in $(vms) $(pgrep -f "^[^ ]*/locket-tee-emulator launch .*$RUN/"); do is_inside "$pid"; done
  [ "$(cat "$memory"/locket-*/cgroup.procs | wc -l)" -eq 2 ] || { say 'not just QEMU and the emulator'; return 1; }
  # The guest's kernel, initramfs and agent alone take more, and none of it was taken before QEMU was in.
  bytes=$(cat "$memory"/locket-*/"$current")
  [ "$bytes" -gt $((64 << 20)) ] || { say "$bytes bytes are counted"; return 1; }
  [ "$(cat "$memory/$current")" -ge "$bytes" ]
}
# ID of the running task of that kind, as containerd's own client sees it.
ids() { ctr -a "$CONTAINERD" -n k8s.io containers ls -q "labels.\"io.cri-containerd.kind\"==$1"; }
metric() { ctr -a "$CONTAINERD" -n k8s.io tasks metrics --format json "$1" | jq "$2"; }
used() { metric "$1" '[.. | objects | .usage_usec // .total // empty] | first | tonumber'; }
held() { metric "$1" '.memory.usage | if type == "object" then .usage else . end | tonumber'; }
stats_are_the_vms() {
  local id kind bytes
  for kind in sandbox container; do
    id=$(ids "$kind")
    # Of the only container it is all. Booting took more than a second of the processor.
    bytes=$(cat "$memory"/locket-*/"$current")
    [ -n "$id" ] && [ "$(used "$id")" -gt 1000000 ] || { metric "$id" .; return 1; }
    [ "$(held "$id")" -gt $((bytes * 9 / 10)) ] && [ "$(held "$id")" -lt $((bytes * 11 / 10)) ] || {
      metric "$id" .
      return 1
    }
  done
}
goes_with_the_pod() {
  "$locket" pod stop inside > /dev/null
  nothing_is_left
}
goes_after_a_killed_shim() {
  run_detached --name killed --cgroup-parent "/$pod"
  is_inside "$(vms)"
  kill -KILL "$(shims)"
  nothing_is_left
  "$locket" pod stop killed > /dev/null
}
goes_after_all_are_killed() {
  local containerd
  run_detached --name all --cgroup-parent "/$pod"
  containerd=$(cat "$RUN/pid/containerd")
  kill -KILL "$containerd" "$(shims)"
  stop containerd
  start_containerd
  nothing_is_left
  "$locket" pod stop all > /dev/null
}
goes_after_a_killed_containerd() {
  run_detached --name orphan --cgroup-parent "/$pod"
  stop containerd KILL
  start_containerd
  is_inside "$(vms)"
  "$locket" pod stop orphan > /dev/null
  nothing_is_left
}
stays_outside() {
  local why=$1 before
  shift
  before=$(grep -c "VM stays in the shim's cgroup" "$RUN/log/containerd.log") || true
  run_detached --name outside "$@"
  [ -z "$(ours)" ] && [ -n "$(vms)" ] || return 1
  diff "/proc/self/cgroup" "/proc/$(vms)/cgroup"
  [ -z "$why" ] ||
    [ "$(grep "VM stays in the shim's cgroup" "$RUN/log/containerd.log" | tail -n "+$((before + 1))" |
      grep -c "$why")" -eq 1 ]
  "$locket" pod stop outside > /dev/null
  nothing_is_left
}
limit_is_the_reason() {
  local status=0
  echo $((100 << 20)) > "$memory/$limit"
  local why="out of memory on the host, in cgroup '/$pod/locket-[0-9a-f]*': limit 100 MiB"
  refuses "$why.*memory_mib = 256.*overhead.podFixed" 120 \
    run_pod --name small --cgroup-parent "/$pod" -- /bin/sleep 1000 || status=$?
  echo "$none" > "$memory/$limit"
  [ "$status" -eq 0 ]
  grep -q "memory limit is less than its VM may take.*limit_mib=\"100\" vm_mib=\"416\"" "$RUN/log/containerd.log"
  nothing_is_left
}

# What the VM holds once it is up, and 40 MiB more; its container then takes all of the guest's memory.
limit_ends_a_running_pod() {
  local output status=0
  run_detached --name measure --cgroup-parent "/$pod"
  echo $(($(cat "$memory"/locket-*/"$current") + (40 << 20))) > "$RUN/limit"
  "$locket" pod stop measure > /dev/null
  cat "$RUN/limit" > "$memory/$limit"
  output=$(bounded 120 run_pod --name greedy --cgroup-parent "/$pod" -- /bin/sh -c "$take_memory" 2>&1) || status=$?
  echo "$none" > "$memory/$limit"
  [ "$status" -eq 137 ] && grep -q 'ran out of memory' <<< "$output" || { say "status $status: $output"; return 1; }
  grep -q "VM is gone.*out of memory on the host, in cgroup '/$pod/locket-" "$RUN/log/containerd.log"
  nothing_is_left
}

claim "QEMU and the emulator, and no other, are in the pod's cgroup, and their memory is counted there" \
  vm_is_inside_and_counted
claim "a sandbox's and a container's stats are the VM's" stats_are_the_vms
claim 'the cgroup goes with the pod' goes_with_the_pod
claim 'it goes after a killed shim, with the VM in it' goes_after_a_killed_shim
claim 'it goes when containerd is killed with the shim and comes back' goes_after_all_are_killed
claim 'a pod outlives containerd in its cgroup, which goes with it' goes_after_a_killed_containerd
claim 'a limit too small for the VM is the reason it gives' limit_is_the_reason
claim 'a limit that a running VM meets ends its container as OOMKilled' limit_ends_a_running_pod
claim 'without a parent the VM stays where the shim is, and one line says so' stays_outside 'no parent was asked for'
claim 'switched off, it stays there without a word' stays_outside '' --cgroup-parent "/$pod" --runtime-handler off
claim 'a parent that is not there refuses the pod' refuses \
  "the pod's cgroup '/$pod/none' is not there: make it before the pod" 60 \
  run_pod --cgroup-parent "/$pod/none" -- /bin/sleep 1000
exit $failed
