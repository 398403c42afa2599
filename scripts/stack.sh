# A private locket stack for the demo and the end-to-end tests: registry, containerd with CRI, locket-snapshotter and
# broker, each with its directories and sockets under one temporary directory. stack_down stops and removes all of it.
# This file is sourced, not run. Needs root.
#
# In:
#   BIN     directory of our programs
#   GUEST   guest image directory
#   QEMU    optional: the QEMU program, if not the one in PATH
#   PULL    optional: how containerd reaches the snapshotter. `cri` (default): one snapshotter for all pods. `runtime`:
#           the one that the runtime handler names (1.7 and later). `transfer`: by the transfer service (2.1 and later).
# Out:
#   RUN                  the temporary directory
#   REGISTRY, BROKER     host:port
#   CONTAINERD           CRI socket
# Also the environment variables in which `locket` looks for containerd and the broker.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# wait_for SECONDS NAME COMMAND...: polls until COMMAND succeeds; gives up when what `start NAME` started has ended.
wait_for() {
  local until=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    if [ "$SECONDS" -ge "$until" ] || ! kill -0 "$(cat "$RUN/pid/$name")" 2> /dev/null; then
      die "$name did not come up: $(tail -n 3 "$RUN/log/$name.log")"
    fi
    sleep 0.1
  done
}

# start NAME COMMAND...: in the background, logged to $RUN/log/NAME.log, ended by stop NAME or stack_down.
start() {
  local name=$1
  shift
  "$@" >> "$RUN/log/$name.log" 2>&1 < /dev/null &
  echo $! > "$RUN/pid/$name"
}

# stop NAME [SIGNAL]: SIGTERM, and SIGKILL after ten seconds.
stop() {
  local pid until=$((SECONDS + 10))
  [ -e "$RUN/pid/$1" ] || return 0
  pid=$(cat "$RUN/pid/$1")
  rm -f "$RUN/pid/$1"
  kill -"${2:-TERM}" "$pid" 2> /dev/null || return 0
  while [ -e "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status" 2> /dev/null; do
    [ "$SECONDS" -lt "$until" ] || kill -KILL "$pid" 2> /dev/null || true
    sleep 0.1
  done
}

# A port that nobody listens on, below those that the kernel gives to clients: what is free now is free when the
# server starts.
free_port() {
  python3 -c '
import random, socket
while True:
    try:
        s = socket.socket(); s.bind(("127.0.0.1", random.randrange(15000, 32000)))
        break
    except OSError:
        pass
print(s.getsockname()[1])'
}

make_certificates() {
  local dir=$1
  mkdir -p "$dir"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=locket demo CA' \
    -keyout "$dir/ca.key" -out "$dir/ca.pem" -addext basicConstraints=critical,CA:TRUE 2> /dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
    -keyout "$dir/broker.key" -out "$dir/broker.csr" 2> /dev/null
  openssl x509 -req -in "$dir/broker.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n') -out "$dir/broker.pem" 2> /dev/null
  openssl genpkey -algorithm ed25519 -out "$dir/admin.key" 2> /dev/null
  openssl pkey -in "$dir/admin.key" -pubout -out "$dir/admin.pub" 2> /dev/null
}

write_containerd_config() {
  local cri='snapshotter = "locket"' runtime='' platforms='' annotations='disable_snapshot_annotations = false'
  case ${PULL:-cri} in
    runtime) cri='snapshotter = "overlayfs"' runtime='snapshotter = "locket"'
      # containerd 2 looks there for the snapshotter of a pull; older ones pass over it.
      platforms='[plugins."io.containerd.cri.v1.images".runtime_platforms.locket]
  platform = "linux/amd64"
  snapshotter = "locket"' ;;
    transfer) annotations='' ;;
  esac
  cat > "$RUN/etc/containerd.toml" << TOML
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$RUN/containerd.sock"
[ttrpc]
  address = "$RUN/containerd.ttrpc.sock"
[proxy_plugins.locket]
  type = "snapshot"
  address = "$RUN/snapshotter.sock"
  [proxy_plugins.locket.exports]
    root = "$RUN/snapshotter"
    enable_remote_snapshot_annotations = "true"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "locket"
$platforms
[plugins."io.containerd.internal.v1.opt"]
  path = "$RUN/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "$RUN/etc/cni"
    bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    $cri
    default_runtime_name = "locket"
    $annotations
$(for handler in "$@"; do cat << RUNTIME
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$handler]
      runtime_type = "io.containerd.locket.v2"
      $runtime
      pod_annotations = ["io.katacontainers.*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$handler.options]
        ConfigPath = "$RUN/etc/shim-$handler.toml"
RUNTIME
done)
TOML
}

# write_shim_config HANDLER [KEY VALUE]: the runtime handler's own configuration, with a top-level key set otherwise.
write_shim_config() {
  local handler=$1 key
  local -A top=([guest_image_dir]="\"$GUEST\"" [state_dir]="\"$RUN/shim\"" [accelerator]='"tcg"' [tee]='"emulated"')
  [ -z "${QEMU:-}" ] || top[qemu]="\"$QEMU\""
  [ $# -eq 1 ] || top[$2]="\"$3\""
  {
    for key in "${!top[@]}"; do printf '%s = %s\n' "$key" "${top[$key]}"; done
    cat << TOML
[tee_emulator]
path = "$BIN/locket-tee-emulator"
dir = "$RUN/tee"
[relay]
allow = ["$BROKER"]
TOML
  } > "$RUN/etc/shim-$handler.toml"
}

write_registry_config() {
  cat > "$RUN/etc/registry.yml" << YAML
version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $RUN/registry}, delete: {enabled: true}}
http: {addr: "$REGISTRY"}
YAML
}

write_broker_config() {
  cat > "$RUN/etc/broker.toml" << TOML
listen = "$BROKER"
store_dir = "$RUN/broker"
audit_log = "$RUN/log/broker-audit.jsonl"
[tls]
certificate = "$RUN/tls/broker.pem"
key = "$RUN/tls/broker.key"
[admin]
public_key = "$RUN/tls/admin.pub"
[emulated]
allow = true
root = "$RUN/tee/ark.pem"
TOML
}

start_registry() {
  start registry docker-registry serve "$RUN/etc/registry.yml"
  wait_for 20 registry curl -sf "http://$REGISTRY/v2/"
}
start_broker() {
  start broker "$BIN/locket-broker" --config "$RUN/etc/broker.toml"
  wait_for 20 broker "$BIN/locket" broker list
}
start_snapshotter() {
  rm -f "$RUN/snapshotter.sock"  # a killed one leaves it behind
  start snapshotter "$BIN/locket-snapshotter" --root "$RUN/snapshotter" --address "$RUN/snapshotter.sock" \
    --containerd "$RUN/containerd.sock" "$@"
  wait_for 20 snapshotter test -S "$RUN/snapshotter.sock"
}
start_containerd() {
  PATH="$BIN:$PATH" start containerd containerd --config "$RUN/etc/containerd.toml"
  wait_for 30 containerd "$BIN/locket" pod ls
}

# stack_up HANDLER...: everything, with one runtime handler for each name. Handler `locket` has the plain
# configuration; write others' before their first use.
stack_up() {
  local name
  [ "$(id -u)" -eq 0 ] || die 'needs root: containerd mounts file systems'
  for name in "$BIN"/{locket,locket-broker,locket-snapshotter,locket-tee-emulator,containerd-shim-locket-v2} \
    "$GUEST/guest-image.json"; do
    [ -e "$name" ] || die "$name is missing: run 'make build' first"
  done
  RUN=$(mktemp -d /tmp/locket.XXXXXX)
  mkdir -p "$RUN"/{etc/cni,log,pid,shim,registry}
  REGISTRY=127.0.0.1:$(free_port)
  BROKER=127.0.0.1:$(free_port)
  CONTAINERD=$RUN/containerd.sock
  export LOCKET_BROKER_URL=https://$BROKER LOCKET_BROKER_CA=$RUN/tls/ca.pem LOCKET_BROKER_ADMIN_KEY=$RUN/tls/admin.key
  export LOCKET_CRI_SOCKET=$CONTAINERD
  make_certificates "$RUN/tls"
  "$BIN/locket-tee-emulator" init --dir "$RUN/tee" 2> "$RUN/log/emulator-init.log" ||
    die "$(cat "$RUN/log/emulator-init.log")"
  write_containerd_config "$@"
  write_registry_config
  write_broker_config
  write_shim_config locket
  start_registry
  start_broker
  start_snapshotter
  start_containerd
}

# The processes whose command line names $RUN: ours alone, as the name is random.
stack_processes() {
  local dir
  for dir in /proc/[0-9]*; do
    [ "${dir#/proc/}" != $$ ] || continue
    if { tr '\0' ' ' < "$dir/cmdline" | grep -qF "$RUN/"; } 2> /dev/null; then echo "${dir#/proc/}"; fi
  done
}

# Stops the pods and everything that was started, last first; unmounts and removes what they left. Safe to call at any
# moment.
stack_down() {
  local name pid mount
  [ -n "${RUN:-}" ] || return 0
  if [ -S "${CONTAINERD:-}" ]; then timeout 60 "$BIN/locket" pod stop --all > /dev/null 2>&1 || true; fi
  for name in $(ls -t "$RUN/pid"); do stop "$name"; done
  for pid in $(stack_processes); do kill -KILL "$pid" 2> /dev/null || true; done
  for mount in $(awk -v run="$RUN/" 'index($5, run) == 1 {print $5}' /proc/self/mountinfo | sort -r); do
    umount -l "$mount"
  done
  rm -rf "$RUN"
  RUN=
}

# registry_bytes FROM_LINE KIND: what the registry sent for `layers` (blobs) or `all` since that line of its log; KIND
# `all` counts manifests, too.
registry_bytes() {
  tail -n "+$1" "$RUN/log/registry.log" | python3 -c '
import json, sys
total = 0
for line in sys.stdin:
    try:
        entry = json.loads(line)
    except ValueError:
        continue
    if entry.get("http.request.method") != "GET" or "http.response.written" not in entry:
        continue
    if sys.argv[1] == "all" or "/blobs/" in entry["http.request.uri"]:
        total += int(entry["http.response.written"])
print(total)' "$2"
}
registry_lines() { wc -l < "$RUN/log/registry.log"; }
