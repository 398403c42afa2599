# A private locket stack for the demo and the end-to-end tests: registry, containerd with CRI, locket-snapshotter, broker, each with its
# directories and sockets under one temporary directory, and all of it gone after stack_down. Sourced, not run. Needs root.
#
# In:  BIN (directory of our programs), GUEST (guest image directory)
# Out: RUN (the directory), REGISTRY and BROKER (host:port), CONTAINERD (CRI socket)
# shellcheck shell=bash

stack_pids=()

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# wait_for SECONDS WHAT COMMAND...: polls until COMMAND succeeds.
wait_for() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || die "$what did not come up; its log is under $RUN/log"
    sleep 0.1
  done
}

# start NAME COMMAND...: in the background, logged to $RUN/log/NAME.log, ended by stack_down.
start() {
  local name=$1
  shift
  "$@" > "$RUN/log/$name.log" 2>&1 < /dev/null &
  stack_pids+=($!)
  printf -v "pid_$name" '%s' "$!"
}

# stop_pid PID: SIGTERM, and SIGKILL after ten seconds.
stop_pid() {
  local pid=$1 until=$((SECONDS + 10))
  kill -TERM "$pid" 2> /dev/null || return 0
  while kill -0 "$pid" 2> /dev/null; do
    [ "$SECONDS" -lt "$until" ] || kill -KILL "$pid" 2> /dev/null
    sleep 0.1
  done
  wait "$pid" 2> /dev/null || true
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
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
  cat > "$RUN/etc/containerd.toml" << TOML
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$RUN/containerd.sock"
[ttrpc]
  address = "$RUN/containerd.ttrpc.sock"
[proxy_plugins.locket]
  type = "snapshot"
  address = "$RUN/snapshotter.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$RUN/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:1"
  restrict_oom_score_adj = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "$RUN/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "locket"
    default_runtime_name = "locket"
    disable_snapshot_annotations = false
$(for handler in "$@"; do cat << RUNTIME
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$handler]
      runtime_type = "io.containerd.locket.v2"
      pod_annotations = ["io.katacontainers.*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$handler.options]
        ConfigPath = "$RUN/etc/shim-$handler.toml"
RUNTIME
done)
TOML
}

# write_shim_config HANDLER [TOML LINE...]: the runtime handler's own configuration.
write_shim_config() {
  local handler=$1
  shift
  {
    cat << TOML
guest_image_dir = "$GUEST"
state_dir = "$RUN/shim"
accelerator = "tcg"
tee = "emulated"
[tee_emulator]
path = "$BIN/locket-tee-emulator"
dir = "$RUN/tee"
[relay]
allow = ["$BROKER"]
TOML
    printf '%s\n' "$@"
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
