# A kubelet alone: how kubelet_test.sh starts it, gives it pods and asks it. Sourced there after common.sh.
# shellcheck shell=bash

# Where the kubelet's cgroups are to be, in each hierarchy of the host's that lets us; without any it makes none.
make_cgroups() {
  local hierarchy
  for hierarchy in $(findmnt -rno TARGET -t cgroup,cgroup2); do
    if mkdir "$hierarchy/$cgroup" 2> /dev/null; then cgroups+=("$hierarchy/$cgroup"); fi
  done
  [ ${#cgroups[@]} -gt 0 ] || say 'no cgroup can be made on this host: the kubelet makes none'
}
remove_cgroups() {
  local until=$((SECONDS + 10))
  until find "${cgroups[@]}" -depth -type d -exec rmdir {} + 2> /dev/null; do
    [ "$SECONDS" -lt "$until" ] || { say 'left:' "${cgroups[@]}"; return; }
    sleep 0.2
  done
}
# The kubelet sets these; here it finds them set, and the machine keeps its own.
hide_sysctls() {
  local setting file
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 \
    kernel/keys/root_maxbytes=25000000; do
    file=$RUN/etc/sysctl/${setting%=*}
    mkdir -p "$(dirname "$file")"
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
}
start_kubelet() {
  local nodes=(--cgroup-root "/$cgroup")
  [ ${#cgroups[@]} -gt 0 ] || nodes=(--cgroups-per-qos=false)
  start kubelet "$LOCKET_KUBELET_TEST/kubelet" --root-dir "$RUN/kubelet" --cert-dir "$RUN/kubelet/pki" \
    --pod-manifest-path "$RUN/manifests" \
    --container-runtime remote --container-runtime-endpoint "unix://$CONTAINERD" --hostname-override node \
    --node-ip $NODE --address 127.0.0.1 \
    --read-only-port 10255 --authorization-mode AlwaysAllow "${nodes[@]}" --enforce-node-allocatable= \
    --fail-swap-on=false \
    --eviction-hard= --image-gc-high-threshold 100 --file-check-frequency 1s --sync-frequency 5s \
    --volume-plugin-dir "$RUN/kubelet/plugins" \
    --cluster-dns $DNS --cluster-domain cluster.local --v 3
  wait_for 60 kubelet curl -sf http://127.0.0.1:10248/healthz
}
# manifest NAME SPEC [JQ_OPTION...]: a static pod of the demo's image; SPEC is jq's. All have the same claim to the
# processors.
manifest() {
  local name=$1 spec=$2
  shift 2
  jq -n --arg name "$name" --arg initdata "$("$locket" initdata annotation "$RUN/pod.toml")" --arg image "$image" "$@" \
    "def sh(\$script): [\"/bin/sh\", \"-c\", \$script]; def runs(\$script): {exec: {command: sh(\$script)}};
     {apiVersion: \"v1\", kind: \"Pod\", metadata: {name: \$name,
       annotations: {\"io.katacontainers.config.hypervisor.cc_init_data\": \$initdata}},
      spec: ($spec)} | (.spec.containers[], .spec.initContainers[]?) |=
      (.image = \$image | .resources.requests.cpu = \"50m\")" > "$RUN/manifest.json"
  mv "$RUN/manifest.json" "$RUN/manifests/$name.json"
}
# status_of POD FILTER: jq's, of the pod's status by the kubelet; empty as long as there is none.
status_of() {
  curl -sf http://127.0.0.1:10255/pods |
    jq -r --arg name "$1-node" "(.items // [])[] | select(.metadata.name == \$name).status | $2"
}
container_status() { status_of "$1" ".containerStatuses[]? | select(.name == \"$2\") | $3"; }
is_ready() { status_of "$1" '.conditions[]? | select(.type == "Ready").status'; }
kubelet_log() { curl -skf "https://127.0.0.1:10250/containerLogs/default/$1-node/$2"; }
kubelet_run() { curl -sk "https://127.0.0.1:10250/run/default/$1-node/$2" --data-urlencode "cmd=$3"; }
names() { curl -sf http://127.0.0.1:10255/pods | jq -r '[(.items // [])[].metadata.name] | sort | join(" ")'; }
vm_of() {
  local sandboxes
  sandboxes=$(ctr -a "$CONTAINERD" -n k8s.io containers ls \
    -q "labels.\"io.kubernetes.pod.name\"==$1-node,labels.\"io.cri-containerd.kind\"==sandbox")
  [ -n "$sandboxes" ] && vms "${sandboxes//$'\n'/|}" | grep .
}
# told POD REASON REGEX: the kubelet has an event of it, or soon will.
event() {
  grep 'Event occurred' "$RUN/log/kubelet.log" | grep "object=\"default/$1-node\"" | grep "reason=\"$2\"" | grep -E "$3"
}
told() {
  local until=$((SECONDS + 60))
  until event "$@"; do
    [ "$SECONDS" -lt "$until" ] || { say "no event $2 of $1 has /$3/"; return 1; }
    sleep 0.5
  done
}

# As kubectl exec -it: types on a terminal of 33 lines and 77 columns until it has that size, then ^D; prints the exit
# status.
terminal() {
  python3 - "$TERMINAL" << 'PYTHON'
import json, socket, ssl, struct, sys, urllib.parse

INPUT, OUTPUT, STATUS, SIZE = 0, 1, 3, 4  # channels of v4.channel.k8s.io
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
link = context.wrap_socket(socket.create_connection(("127.0.0.1", 10250), timeout=30)).makefile("rwb")
query = urllib.parse.urlencode({"command": ["/bin/sh", "-c", sys.argv[1]], "input": 1, "output": 1, "tty": 1},
                               doseq=True)
link.write(f"GET /exec/default/main-node/app?{query} HTTP/1.1\r\nHost: node\r\n"
           "Upgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: bm8gc2VjcmV0IGF0IGFsbA==\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode())
link.flush()
answer = link.readline()
if b" 101 " not in answer:
    sys.exit(f"{answer} {link.read()}")
while link.readline().strip():
    pass

def send(channel, data):  # masked with zeros
    link.write(struct.pack("BBxxxxB", 0x82, 0x81 + len(data), channel) + data)
    link.flush()

def receive():
    length = link.read(2)[1]
    data = link.read(struct.unpack(">H", link.read(2))[0] if length == 126 else length)
    return data[0], data[1:]

send(SIZE, b'{"Width":77,"Height":33}')
send(INPUT, b"typed\r")
seen, ended = b"", False
while True:
    channel, data = receive()
    if channel == STATUS and data:
        break
    if channel == OUTPUT:
        seen += data
        if not ended and seen.endswith(b"\r\n") and seen.count(b"\n") % 2 == 0:  # its echo, and the answer
            ended = b"33 77" in seen
            send(INPUT, b"\x04" if ended else b"typed\r")
if b"typed" not in seen:
    sys.exit(f"no echo: {seen}")
print(json.loads(data)["details"]["causes"][0]["message"])
PYTHON
}
