#!/bin/bash
# A pod's network, from CNI's bridge to a container in a VM and back. All of it, the stack too, is in a network
# namespace of its own.
cd "$(dirname "$0")/../.." || exit 1
if [ -z "${LOCKET_NETWORK_TEST:-}" ]; then
  # There is no way out from inside.
  scripts/demo/build-images build/demo-cache
  [ $# -eq 1 ] || {
    scripts/fetch-containerd "$2" build/containerd-cache && scripts/fetch-qemu "$2" build/qemu-cache || exit 77
  } > /dev/null
  LOCKET_NETWORK_TEST=1 exec unshare --net -- tests/e2e/network_test.sh "$@"
fi
ip link set lo up
# shellcheck source=tests/e2e/common.sh
. tests/e2e/common.sh

PSK=00112233445566778899aabbccddeeff
SERVE="openssl s_server -quiet -accept 8443 -nocert -psk $PSK -www"
REACH='for at in 10.88.0.1:8444 [fd00:88::1]:8444; do echo GET / HTTP/1.0 | '
REACH+='openssl s_client -quiet -psk '$PSK' -connect $at; done'
SHOW='cat /etc/hosts /etc/resolv.conf'

# write_cni_config PLUGIN: containerd starts with it.
write_cni_config() {
  stop containerd
  cat > "$RUN/etc/cni/10-test.conflist" << JSON
{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "$1", "bridge": "locket0", "isGateway": true, "mtu": 1400,
  "ipam": {"type": "host-local", "dataDir": "$RUN/cni",
     "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd00:88::/64"}]],
           "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}}]}
JSON
  start_containerd
}
# initdata_with FILE OPTION...: what the tests run, allowed, and the broker told.
initdata_with() {
  local out=$1
  shift
  "$locket" initdata create --broker-url "$LOCKET_BROKER_URL" --broker-ca "$LOCKET_BROKER_CA" \
    --allow-digest "$(jq -r .manifest_digest "$RUN/sealed.json")" \
    --allow-command "$(command_json "$SERVE")" --allow-command "$(command_json "$REACH")" \
    --allow-command "$(command_json "$SHOW")" "$@" -o "$out"
}
command_json() { jq -cn --arg script "$1" '["/bin/sh", "-c", $script]'; }
run_networked() { "$locket" pod run "$image" --initdata "$RUN/net.toml" --network "$@"; }
last_address() { cat "$RUN/cni/test/last_reserved_ip.$1"; }
# The page that s_server makes names the cipher it uses.
page_from() { timeout 20 openssl s_client -quiet -psk "$PSK" -connect "$1" <<< 'GET / HTTP/1.0' 2>&1; }
answers() {
  local until=$((SECONDS + 60))
  until page_from "$1" | grep -q 'Ciphers supported'; do
    [ "$SECONDS" -lt "$until" ] || { say "no answer from $1"; return 1; }
    sleep 0.2
  done
}

secret_with_a_network() { prints "$proof" run_networked --name proof; }
pod_answers() {
  run_networked --name server --detach -- /bin/sh -c "$SERVE"
  answers "$(last_address 0):8443" && answers "[$(last_address 1)]:8443"
}
pod_reaches_out() {
  local family
  for family in 4 6; do
    start "server$family" openssl s_server -quiet "-$family" -accept 8444 -nocert -psk "$PSK" -www
    wait_for 10 "server$family" sh -c "ss -ltn$family | grep -q :8444"
  done
  run_networked --name client -- /bin/sh -c "$REACH" > "$RUN/reached"
  [ "$(grep -c 'Ciphers supported' "$RUN/reached")" -eq 2 ] || { cat "$RUN/reached"; return 1; }
}
etc_names_the_pod() {
  run_networked --name show -- /bin/sh -c "$SHOW" > "$RUN/show"
  grep -qx "$(last_address 0) locket" "$RUN/show" && grep -qx "$(last_address 1) locket" "$RUN/show" || {
    cat "$RUN/show"
    return 1
  }
  diff <(grep '^nameserver' /etc/resolv.conf | head -3) <(grep '^nameserver' "$RUN/show")
}
loopback_only_by_default() {
  local vm
  "$locket" pod run "$image" --initdata "$RUN/plain.toml" --network --name shut --detach -- /bin/sh -c "$SERVE"
  refuses 'Connection refused|errno=' 30 timeout 20 openssl s_client -psk "$PSK" -connect "$(last_address 0):8443"
  grep 'left_out=' "$RUN/log/containerd.log" | grep -q 'allow_network = true' || { say 'nobody says why'; return 1; }
  vm=$(vms "$(pod_id shut)")
  [ "$(wc -w <<< "$vm")" -eq 1 ] || { say "VMs of the pod: $vm"; return 1; }
  ! grep -za virtio-net "/proc/$vm/cmdline"
}
pod_id() { "$locket" pod ls --json | jq -r --arg name "$1" '.[] | select(.name == $name) | .id'; }
killed_shim_leaves_nothing() {
  local shim
  run_networked --name victim --detach -- /bin/sh -c "$SERVE"
  answers "$(last_address 0):8443"
  shim=$(shims "^$(pod_id victim)\$")
  [ -n "$shim" ] || { say 'the pod has no shim'; return 1; }
  kill -KILL "$shim"
  "$locket" pod stop victim
}
# The plugin's routes say that nobody but the gateway is on the link.
point_to_point() {
  "$locket" pod stop --all
  ip link del locket0
  write_cni_config ptp
  run_networked --name point --detach -- /bin/sh -c "$SERVE"
  answers "$(last_address 0):8443" && answers "[$(last_address 1)]:8443"
}
nothing_is_left() {
  "$locket" pod stop --all
  [ -z "$(ip -o link show type veth)" ] || { ip link; return 1; }
  [ -z "$(find "$RUN/cni/test" -name '[0-9f]*')" ] || { ls "$RUN/cni/test"; return 1; }
  if grep "$RUN/" /proc/self/mountinfo | grep nsfs; then return 1; fi
  [ -z "$(vms)" ]
}

stack_up locket
write_cni_config bridge
seal_demo_image
initdata_with "$RUN/net.toml" --allow-network
initdata_with "$RUN/plain.toml"
"$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" \
  --initdata "$RUN/net.toml" --initdata "$RUN/plain.toml"

claim 'the broker gives a VM with a network the key: the measurement is the same' secret_with_a_network
claim 'a container answers connections from the bridge, over IPv4 and IPv6' pod_answers
claim 'a container reaches servers on the bridge, over IPv4 and IPv6' pod_reaches_out
claim "the pod's addresses and nameservers are in the container's /etc" etc_names_the_pod
claim 'without allow_network there is no device, containers run, and the log says why' loopback_only_by_default
claim 'a pod whose shim was killed can be removed' killed_shim_leaves_nothing
claim 'a container answers over a point-to-point link, too' point_to_point
claim 'nothing is left of the networks of pods that ended' nothing_is_left
exit $failed
