#!/bin/bash
# kubelet_test BUILD_DIR [SUITE]: a real kubelet, alone: pods from manifests, through containerd's CRI, into VMs. All
# of it, the stack too, is in namespaces of its own: the kubelet makes iptables chains and sets sysctls, and no option
# moves some of its directories.
cd "$(dirname "$0")/../.." || exit 1
if [ -z "${LOCKET_KUBELET_TEST:-}" ]; then
  scripts/demo/build-images build/demo-cache  # there is no way out from inside
  [ $# -eq 1 ] || {
    scripts/fetch-containerd "$2" build/containerd-cache && scripts/fetch-qemu "$2" build/qemu-cache || exit 77
  } > /dev/null
  LOCKET_KUBELET_TEST=$(scripts/fetch-kubelet build/kubelet-cache) || exit 77
  export LOCKET_KUBELET_TEST
  made=$(mkdir -pv /var/lib/kubelet /var/log/pods /var/log/containers | sed "s/.*'\(.*\)'/\1/" | sort -r)
  unshare --net --mount -- tests/e2e/kubelet_test.sh "$@"
  status=$?
  for directory in $made; do rmdir "$directory"; done
  exit $status
fi
NODE=10.89.0.1 DNS=10.89.0.10
ip link set lo up
ip address add $NODE/32 dev lo
for directory in /var/lib/kubelet /var/log/pods /var/log/containers; do mount -t tmpfs kubelet $directory; done
# shellcheck source=tests/e2e/common.sh
. tests/e2e/common.sh
# shellcheck source=tests/e2e/kubelet.sh
. tests/e2e/kubelet.sh

PSK=00112233445566778899aabbccddeeff
# What containers run, and what the kubelet runs in them.
FILL='date > /data/filled'
# shellcheck disable=SC2016
MAIN='/app/run; echo "$SHOWN,$HIDDEN"; cat /etc/resolv.conf; exec sleep 1000'
SERVE="trap 'echo told; exit 0' TERM; \
openssl s_server -quiet -accept 8443 -nocert -psk $PSK -www & while :; do wait; done"
TERMINAL='while read line; do stty size; done; exit 4'
SLEEP='exec sleep 1000' EXIT='exit 7' HUNGRY='exec tail /dev/zero' GOOD='test -e /data/filled' \
  BAD='echo unwell; exit 1' HELLO='echo hello > /proc/1/fd/1' GOODBYE='echo goodbye > /proc/1/fd/1'
argv() { jq -cn --arg script "$1" '["/bin/sh", "-c", $script]'; }

write_cni_config() {
  cat > "$RUN/etc/cni/10-test.conflist" << JSON
{"cniVersion": "0.4.0", "name": "test", "plugins": [
  {"type": "bridge", "bridge": "locket0", "isGateway": true, "mtu": 1400,
  "ipam": {"type": "host-local", "dataDir": "$RUN/cni", "ranges": [[{"subnet": "10.88.0.0/24"}]],
     "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
}
write_initdata() {
  local script options=()
  for script in "$FILL" "$MAIN" "$SERVE" "$SLEEP" "$EXIT" "$HUNGRY"; do
    options+=(--allow-command "$(argv "$script")")
  done
  for script in "$GOOD" "$BAD" "$HELLO" "$GOODBYE" "$TERMINAL"; do options+=(--allow-exec "$(argv "$script")"); done
  "$locket" initdata create --broker-url "$LOCKET_BROKER_URL" --broker-ca "$LOCKET_BROKER_CA" \
    --allow-digest "$(jq -r .manifest_digest "$RUN/sealed.json")" \
    "${options[@]}" --allow-exec '["/usr/bin/id","-u"]' --allow-env SHOWN --allow-volume /data --allow-stdin \
    --allow-network -o "$RUN/pod.toml"
  "$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" \
    --initdata "$RUN/pod.toml"
}

becomes_ready() {
  # shellcheck disable=SC2016
  manifest main '{
      securityContext: {runAsNonRoot: true}, terminationGracePeriodSeconds: 15, volumes: [{name: "data", emptyDir: {}}],
      initContainers: [{name: "fill", command: sh($fill), volumeMounts: [{name: "data", mountPath: "/data"}]}],
      containers: [{name: "app", command: sh($main),
           env: [{name: "SHOWN", value: "shown"}, {name: "HIDDEN", value: "hidden"}],
          volumeMounts: [{name: "data", mountPath: "/data"}],
           readinessProbe: (runs($good) + {periodSeconds: 1}), livenessProbe: runs($good),
          lifecycle: {postStart: runs($hello), preStop: runs($goodbye)},
           resources: {limits: {memory: "64Mi", cpu: "1"}}},
        {name: "server", command: sh($serve), readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}}]}' \
    --arg fill "$FILL" --arg main "$MAIN" --arg good "$GOOD" --arg hello "$HELLO" --arg goodbye "$GOODBYE" \
    --arg serve "$SERVE"
  becomes True 90 is_ready main
  prints Completed status_of main '.initContainerStatuses[0].state.terminated.reason'
}
log_has_all() {
  kubelet_log main app > "$RUN/main.log"
  cat "$RUN/main.log"
  grep -qxF "$proof" "$RUN/main.log" && grep -qx 'hello' "$RUN/main.log" && grep -qx 'shown,' "$RUN/main.log" &&
    grep -qx "nameserver $DNS" "$RUN/main.log" && grep -qx 'search default.svc.cluster.local .*' "$RUN/main.log" &&
      grep -qx 'options ndots:5' "$RUN/main.log"
}
left_out_is_said() {
  local left
  # shellcheck disable=SC2016
  manifest odd '{overhead: {memory: "1400Mi"}, shareProcessNamespace: true, terminationGracePeriodSeconds: 1,
      volumes: [{name: "data", emptyDir: {}}, {name: "names",
         downwardAPI: {items: [{path: "name", fieldRef: {fieldPath: "metadata.name"}}]}}],
      containers: [{name: "app", command: sh($sleep), env: [{name: "HIDDEN", value: "hidden"}],
        resources: {limits: {memory: "64Mi"}}, securityContext: {runAsUser: 2000, capabilities: {add: ["SYS_ADMIN"]}},
        volumeMounts: [{name: "data", mountPath: "/data", subPath: "part"},
          {name: "names", mountPath: "/names"}]}]}' --arg sleep "$SLEEP"
  becomes True 90 is_ready odd
  prints 1000 kubelet_run odd app '/usr/bin/id -u'
  left=$(grep "container=\"$(container_status odd app '.containerID | ltrimstr("containerd://")')\"" \
    "$RUN/log/containerd.log" | sed -n 's/.*left_out=//p')
  echo "$left"
  [ "$left" = "\"environment variable 'HIDDEN', user 2000 (the image's is 1000), \
processes shared with others, capabilities 'CAP_SYS_ADMIN', mount at '/data', mount at '/names'\"" ]
}
exec_is_refused() {
  kubelet_run main app 'ls /' | grep 'exec of \["ls","/"\] is not listed in initdata.s \[agent\] allow_exec'
}
# The cgroup that the kubelet made for the pod has the limit of its container and the overhead.
vm_is_in_the_pods_cgroup() {
  local path directory
  path=$(sed -n -e 's/^[0-9]*:memory://p' -e 's/^0:://p' "/proc/$(vm_of odd)/cgroup" | head -n 1)
  say "$path" | grep "^/$cgroup/kubepods/burstable/pod[0-9a-f-]*/locket-"
  directory=/sys/fs/cgroup/memory$(dirname "$path")
  [ -e "$directory" ] || directory=/sys/fs/cgroup$(dirname "$path")
  prints $((1464 << 20)) sh -c "cat $directory/memory.limit_in_bytes 2> /dev/null || cat $directory/memory.max"
  becomes true 30 summary_of_odd '.memory.workingSetBytes > 67108864 and .cpu.usageCoreNanoSeconds > 1000000000'
}
summary_of_odd() {
  curl -sf http://127.0.0.1:10255/stats/summary | jq ".pods[] | select(.podRef.name == \"odd-node\").containers[0] | $1"
}
summary_has_it() {
  curl -sf http://127.0.0.1:10255/stats/summary |
    jq -e '[.pods[] | select(.podRef.name == "main-node").containers[].name] | sort == ["app", "server"]'
}

image_space() { curl -sf http://127.0.0.1:10255/stats/summary | jq '.node.runtime.imageFs.capacityBytes > 0'; }
image_space_is_known() {
  local missing
  { "$locket" doctor --json || true; } > "$RUN/doctor.json"
  missing=$(jq -r '.checks[] | select(.name == "image-space" and (.ok | not)).way_out' "$RUN/doctor.json")
  if [ -n "$missing" ]; then
    prints false image_space
    sh -c "${missing/\/var\/lib\/locket-snapshotter/$RUN/snapshotter}"
  fi
  becomes true 30 image_space
}

start_troubled() {
  # shellcheck disable=SC2016
  manifest refused '{terminationGracePeriodSeconds: 1, containers: [{name: "app", command: ["/bin/ls", "/"]}]}'
  # shellcheck disable=SC2016
  manifest exits '{terminationGracePeriodSeconds: 1, containers: [{name: "app", command: sh($exit)}]}' \
    --arg exit "$EXIT"
  # shellcheck disable=SC2016
  manifest unlisted '{terminationGracePeriodSeconds: 1, containers: [
      {name: "probed", command: sh($sleep), livenessProbe: (runs("id") + {periodSeconds: 1, failureThreshold: 1}),
        readinessProbe: runs("id")},
      {name: "hooked", command: sh($sleep), lifecycle: {postStart: runs("id")}}]}' --arg sleep "$SLEEP"
  # shellcheck disable=SC2016
  manifest hungry '{overhead: {memory: "1400Mi"}, terminationGracePeriodSeconds: 1, containers: [
      {name: "app", command: sh($hungry), resources: {limits: {memory: "24Mi"}}}]}' --arg hungry "$HUNGRY"
  # shellcheck disable=SC2016
  manifest unwell '{terminationGracePeriodSeconds: 1, containers: [
      {name: "app", command: sh($sleep), livenessProbe: (runs($bad) + {periodSeconds: 1, failureThreshold: 1})}]}' \
    --arg sleep "$SLEEP" --arg bad "$BAD"
}
# The kubelet takes no answer for none: such a probe neither succeeds nor fails.
unlisted_is_said() {
  becomes true 90 container_status unlisted hooked '.restartCount >= 1'
  told unlisted FailedPostStartHook 'not listed in initdata.s \[agent\] allow_exec'
  told unlisted Unhealthy 'Liveness probe errored: .*not listed in initdata.s \[agent\] allow_exec'
  told unlisted Unhealthy 'Readiness probe errored: .*not listed in initdata'
  prints 'false 0' container_status unlisted probed '"\(.ready) \(.restartCount)"'
}
oom_is_said() { becomes OOMKilled 120 container_status hungry app '.lastState.terminated.reason'; }
refusal_is_said() {
  becomes CrashLoopBackOff 90 container_status refused app '.state.waiting.reason'
  container_status refused app '.lastState.terminated.message' |
    grep 'command \["/bin/ls","/"\] is neither the image.s own, .* nor listed in initdata.s \[agent\] allow_commands'
  told refused Failed 'nor listed in initdata'
}
restarts_in_its_vm() {
  becomes true 90 container_status "$1" app '.restartCount >= 2'
  # The one before is not in the status while its successor is made.
  becomes "$2" 30 container_status "$1" app '(.state.terminated // .lastState.terminated).exitCode'
  prints 1 grep -c "RunPodSandbox for .*$1-node.* returns sandbox id" "$RUN/log/containerd.log"
}
exit_restarts() {
  restarts_in_its_vm exits 7
  told exits BackOff 'Back-off restarting failed container'
}
probe_restarts() {
  restarts_in_its_vm unwell 137
  told unwell Unhealthy 'Liveness probe failed: unwell'
  told unwell Killing 'failed liveness probe'
}
outlives_restarts() {
  local id vm
  id=$(container_status main app .containerID)
  vm=$(vm_of main)
  stop kubelet KILL
  stop containerd KILL
  start_containerd
  start_kubelet
  becomes True 60 is_ready main
  prints "$id" container_status main app .containerID
  prints "$vm" vm_of main
  prints 1000 kubelet_run main app '/usr/bin/id -u'
}
# Two devices, three pods that want one, as a container's limits and as the RuntimeClass' overhead would have it; the
# plugin has registered with the kubelet before this one.
devices_are_counted() {
  # shellcheck disable=SC2016
  local spec='{terminationGracePeriodSeconds: 1, containers: [{name: "app", command: sh($sleep)}]} |' \
    pays='.overhead = {"locket.dev/emulated": "1"}'
  manifest fits "$spec .containers[0].resources.limits = {\"locket.dev/emulated\": 1}" --arg sleep "$SLEEP"
  becomes True 90 is_ready fits
  manifest pays "$spec $pays" --arg sleep "$SLEEP"
  becomes True 90 is_ready pays
  manifest waits "$spec $pays" --arg sleep "$SLEEP"
  becomes Failed 60 status_of waits .phase
  status_of waits '.reason + ": " + .message' | grep locket.dev/emulated
  if vm_of waits; then return 1; fi
}
gets_another_vm() {
  local id vm
  id=$(container_status main app .containerID)
  vm=$(vm_of main)
  kill -KILL "$vm"
  becomes False 60 is_ready main
  becomes True 90 is_ready main
  [ "$(container_status main app .containerID)" != "$id" ]
  [ "$(vm_of main | wc -l)" -eq 1 ]
  [ "$(vm_of main)" != "$vm" ]
  kubelet_log main app | grep -xF "$proof"
}
# preStop prints as the container, and TERM ends the server; sleep hears neither, so this takes the whole grace period.
deletion_is_graceful() {
  local vm
  vm=$(vm_of main)
  tail -q -n 0 -F /var/log/pods/default_main-node_*/{app,server}/*.log > "$RUN/last-words" 2> /dev/null & local tail=$!
  rm "$RUN/manifests/main.json"
  becomes '' 10 container_status main app '.ready | select(. == true)'
  wait_gone 40 "$vm"
  kill "$tail"
  cat "$RUN/last-words"
  grep -q ' stdout F goodbye$' "$RUN/last-words" && grep -q ' stdout F told$' "$RUN/last-words"
}
wait_gone() { bounded "$1" sh -c "while kill -0 $2 2> /dev/null; do sleep 0.2; done"; }
vms_and_logs() { { vms; ls /var/log/pods; ip -o link show type veth; } | wc -l; }
nothing_is_left() {
  rm -f "$RUN"/manifests/*
  becomes '' 60 names
  becomes 0 120 vms_and_logs
}

cgroup=locket-kubelet.$$ cgroups=()
trap 'finish; remove_cgroups' EXIT
make_cgroups
stack_up locket
stop containerd
write_cni_config
start_containerd
seal_demo_image
write_initdata
hide_sysctls
mkdir "$RUN/manifests"
printf '[emulated]\ncount = 2\n' > "$RUN/etc/device-plugin.toml"
start device-plugin "$BIN/locket-device-plugin" --config "$RUN/etc/device-plugin.toml"
start_kubelet

claim 'a pod becomes ready: init container, emptyDir, hooks, exec and TCP probes' becomes_ready
claim "its log has the secret's proof, what postStart wrote, the variable that is allowed and no other, and the \
kubelet's DNS" \
  log_has_all
claim 'the kubelet runs a command that is listed' prints 1000 kubelet_run main app '/usr/bin/id -u'
claim 'it refuses another, and says why' exec_is_refused
claim 'a terminal through the kubelet echoes, has the size asked for, ends with ^D, and the exit status comes back' \
  prints 4 terminal
claim "what the guest leaves out of a pod is in containerd's log, and the container runs" left_out_is_said
[ ${#cgroups[@]} -eq 0 ] ||
  claim "the VM is in the kubelet's cgroup for the pod, whose limit holds for it, and the kubelet's summary has what \
it takes" vm_is_in_the_pods_cgroup
claim "the kubelet's summary has the containers" summary_has_it
claim "the kubelet knows the images' disk, if need be by the link that the doctor asks for" image_space_is_known
start_troubled
claim "a refused command is a crash loop with its reason in the pod's status and events" refusal_is_said
claim 'a container that exits is restarted in the same VM, with back-off' exit_restarts
claim 'a container whose liveness probe fails is restarted in the same VM' probe_restarts
claim 'a hook that is not listed restarts its container, a probe is no answer, and the events say why' unlisted_is_said
claim 'a container over its memory limit is OOMKilled, and restarted' oom_is_said
claim 'a pod and its VM outlive containerd and the kubelet, and go on with the next' outlives_restarts
claim 'only as many pods run as the device plugin has devices for' devices_are_counted
claim 'a pod whose VM was killed gets another' gets_another_vm
claim 'deleting the manifest runs preStop, sends TERM, and ends the VM after the grace period' deletion_is_graceful
claim 'nothing is left of pods whose manifests are gone' nothing_is_left
exit $failed
