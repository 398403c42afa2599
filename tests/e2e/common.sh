# What the end-to-end tests share: a stack, a sealed image, and claims. Sourced by each *_test.sh, whose arguments are
# the build directory and, for the containerd and the QEMU of another Debian than this one, its name. A script is
# skipped where those cannot be had.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
suite=${2:-}
if [ -n "$suite" ]; then
  programs=$(scripts/fetch-containerd "$suite" build/containerd-cache) &&
    QEMU=$(scripts/fetch-qemu "$suite" build/qemu-cache) || exit 77
  PATH=$programs:$PATH
fi
BIN=$build/bin
GUEST=$build/guest-image
# shellcheck source=scripts/stack.sh
. scripts/stack.sh
locket=$BIN/locket
failed=0
allowed=()  # what a script lets pods run besides, as options of `locket initdata create`

finish() {
  local status=$?
  if [ -n "${RUN:-}" ] && { [ "$status" -ne 0 ] || [ "$failed" -ne 0 ]; }; then
    tail -n 40 "$RUN"/log/*.log >&2 || true
    find "$RUN/shim" -name console.log -exec tail -n 30 {} + >&2 || true
  fi
  stack_down
}
trap finish EXIT

# claim TEXT COMMAND...: the command succeeds. Its output is shown only if it does not.
claim() {
  local text=$1 output status
  shift
  # Not in an `if`: that would switch errexit off in the claim's own function.
  set +e
  output=$(set -e; "$@" 2>&1)
  status=$?
  set -e
  if [ "$status" -eq 0 ]; then
    say "ok: $text"
  else
    say "FAILED: $text" "$output"
    failed=1
  fi
}

# bounded SECONDS COMMAND...: as timeout(1), which cannot run our functions. stack_down ends what a function left
# behind.
bounded() {
  local until=$((SECONDS + $1)) pid
  shift
  "$@" &
  pid=$!
  while kill -0 $pid 2> /dev/null; do
    [ "$SECONDS" -lt "$until" ] || { kill $pid; return 124; }
    sleep 0.1
  done
  wait $pid
}

# refuses REGEX SECONDS COMMAND...: fails within that time and says why in words that match.
refuses() {
  local pattern=$1 limit=$2 output status=0
  shift 2
  output=$(bounded "$limit" "$@" 2>&1) || status=$?
  case $status in
    0) say "it was not refused: $*" "$output"; return 1 ;;
    124) say "no answer within $limit s: $*" "$output"; return 1 ;;
  esac
  grep -Eq "$pattern" <<< "$output" || { say "refused, but not because of /$pattern/:" "$output"; return 1; }
}

prints() {
  local expected=$1 output
  shift
  output=$("$@") || { say "failed: $*" "$output"; return 1; }
  [ "$output" = "$expected" ] || { say "printed '$output', not '$expected'"; return 1; }
}

# exits STATUS COMMAND...
exits() {
  local expected=$1 status=0
  shift
  "$@" || status=$?
  [ "$status" -eq "$expected" ] || { say "exit status $status, not $expected: $*"; return 1; }
}

state_of() { "$locket" pod ls --json | jq -r --arg name "$1" '.[] | select(.name == $name) | .containers[0].state'; }

# vms [REGEX], shims [REGEX]: the process IDs of the stack's VMs, or of its shims, one a line. With REGEX only of those
# that have an argument that matches, such as a sandbox's ID. Both succeed when there are none.
vms() { pgrep -f "^(/usr/bin/)?qemu-system.*$RUN/" | with_argument "${1:-}" || true; }
shims() { pgrep -f "^(/[^ ]*/)?containerd-shim-locket-v2 .*$RUN/" | with_argument "${1:-}" || true; }
with_argument() {
  local pid
  while read -r pid; do
    if grep -zEq -- "$1" "/proc/$pid/cmdline" 2> /dev/null; then echo "$pid"; fi
  done
}

# becomes EXPECTED SECONDS COMMAND...: what COMMAND prints.
becomes() {
  local expected=$1 until=$((SECONDS + $2)) seen
  shift 2
  until seen=$("$@") && [ "$seen" = "$expected" ]; do
    [ "$SECONDS" -lt "$until" ] || { say "still '$seen', not '$expected': $*"; return 1; }
    sleep 0.2
  done
}

# costs_at_most BYTES COMMAND...: it succeeds, and the registry sends no more than that of blobs meanwhile.
costs_at_most() {
  local most=$1 before=$(($(registry_lines) + 1))
  shift
  "$@"
  [ "$(registry_bytes "$before" layers)" -le "$most" ] || { tail -n "+$before" "$RUN/log/registry.log"; return 1; }
}

# seal_demo_image: OCI layout $RUN/oci, sealed as $image; secret, kek, initdata $RUN/app.toml; the broker told.
seal_demo_image() {
  head -c 24 /dev/urandom | base64 > "$RUN/secret"
  scripts/demo/build-images build/demo-cache "$RUN/oci" "$RUN/secret"
  skopeo copy -q --dest-tls-verify=false "oci:$RUN/oci:pause" "docker://$REGISTRY/pause:1"
  image=$REGISTRY/app:1
  "$locket" key create "$RUN/kek"
  seal "$image"
  "$locket" broker set-resource kbs:///demo/key/app "$RUN/kek"
  "$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" \
    --initdata "$RUN/app.toml"
  proof="uid 1000, secret proof: $(openssl dgst -sha256 -hmac locket-demo "$RUN/secret" | sed 's/.* //')"
}

# seal TARGET [NAME]: seals the layout's image NAME (default: app, the demo's) as TARGET, and writes initdata
# $RUN/NAME.toml that allows it and lets pods run what the tests need.
seal() {
  local name=${2:-app}
  "$locket" image seal "oci:$RUN/oci:$name" "$1" --base "oci:$RUN/oci:base" --kek "$RUN/kek" \
    --key-id kbs:///demo/key/app --json > "$RUN/sealed.json"
  "$locket" initdata create --broker-url "$LOCKET_BROKER_URL" --broker-ca "$LOCKET_BROKER_CA" \
    --allow-digest "$(jq -r .manifest_digest "$RUN/sealed.json")" \
    --allow-command '["/bin/sh","-c","exit 7"]' --allow-command '["/bin/sh","-c","echo out; echo err >&2"]' \
    --allow-command '["/bin/sleep","1000"]' "${allowed[@]}" -o "$RUN/$name.toml"
}

# relative NAME FROM [OPTION...]: the layout's image FROM as NAME, its config changed by the options of `umoci config`.
relative() {
  umoci tag --image "$RUN/oci:$2" "$1"
  umoci config --image "$RUN/oci:$1" "${@:3}" > /dev/null
}

# The containerd that is in PATH takes the file of deploy/ as it is.
shipped_configuration_loads() {
  local socket=$RUN/shipped.sock
  {
    printf 'root = "%s"\nstate = "%s"\n' "$RUN/shipped/root" "$RUN/shipped/state"
    cat deploy/containerd.toml
    printf '[grpc]\naddress = "%s"\n[ttrpc]\naddress = "%s.ttrpc"\n' "$socket" "$socket"
    printf '[plugins."io.containerd.internal.v1.opt"]\npath = "%s"\n' "$RUN/shipped/opt"
  } > "$RUN/etc/shipped.toml"
  start shipped containerd --config "$RUN/etc/shipped.toml"
  LOCKET_CRI_SOCKET=$socket wait_for 30 shipped "$locket" pod ls
  LOCKET_CRI_SOCKET=$socket "$locket" doctor --json > "$RUN/doctor.json" || true  # the host lacks other things
  jq -e '.checks[] | select(.name == "cri-config").ok' "$RUN/doctor.json" || { cat "$RUN/doctor.json"; return 1; }
  stop shipped
}

run_pod() { "$locket" pod run "$image" --initdata "$RUN/app.toml" "$@"; }
