#!/bin/bash
# endurance.sh BUILD_DIR [SUITE]: on a machine kept busy, STARTS containers (default 500) started and removed one
# after the other in one pod, and EXECS commands (default 300) of all kinds in one container. None fails, and nothing
# of them is left. By hand: it takes most of an hour without KVM, and needs crictl, which Debian has not (CRICTL names
# it; default: the one in PATH).
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
CRICTL=${CRICTL:-$(command -v crictl || true)}
[ -x "$CRICTL" ] || die 'no crictl: set CRICTL to the program'
STARTS=${STARTS:-500} EXECS=${EXECS:-300} BUSY=${BUSY:-$(nproc)}
SPEAK='echo spoken' FAIL='exit 3' SIZE='stty size'
argv() { jq -cn '$ARGS.positional' --args -- "$@"; }
allowed=(--allow-stdin --allow-command '["/bin/sleep","1000000"]' --allow-exec '["/bin/true"]' \
  --allow-exec '["/bin/cat"]' --allow-exec '["/bin/sleep","900"]')
for script in "$SPEAK" "$FAIL" "$SIZE"; do allowed+=(--allow-exec "$(argv /bin/sh -c "$script")"); done
stack_up locket
seal_demo_image
crictl() {
  "$CRICTL" -c /dev/null -r "unix://$CONTAINERD" -i "unix://$CONTAINERD" -t 170s "$@" 2> >(grep -v level=warning >&2)
}

crictl pull "$image" > /dev/null

# Every processor is taken, as on a full node. BUSY=0 where other work keeps the machine busy.
for ((i = 0; i < BUSY; i++)); do start "busy$i" sh -c 'while :; do :; done'; done

# make_pod NAME: prints the sandbox's ID.
make_pod() {
  mkdir -p "$RUN/pods/$1"
  jq -n --arg name "$1" --arg log "$RUN/pods/$1" --arg initdata "$("$locket" initdata annotation "$RUN/app.toml")" \
    '{metadata: {name: $name, namespace: "default", uid: $name}, hostname: $name, log_directory: $log,
      annotations: {"io.katacontainers.config.hypervisor.cc_init_data": $initdata},
      linux: {security_context: {namespace_options: {network: 2, pid: 1}}}}' > "$RUN/pods/$1.json"
  crictl runp --runtime=locket "$RUN/pods/$1.json"
}
# make_container POD_ID POD NAME ARGUMENT...: prints the container's ID once it was started.
make_container() {
  local pod_id=$1 pod=$2 name=$3 id
  shift 3
  jq -n --arg name "$name" --arg image "$image" \
    '{metadata: {name: $name}, image: {image: $image}, log_path: ($name + ".log"), command: $ARGS.positional,
    linux: {security_context: {namespace_options: {network: 2, pid: 1}}}}' --args -- "$@" > "$RUN/pods/$pod-$name.json"
  id=$(crictl create --no-pull "$pod_id" "$RUN/pods/$pod-$name.json" "$RUN/pods/$pod.json") &&
    crictl start "$id" > /dev/null && echo "$id"
}
container_state() { crictl inspect "$1" | jq -r .status.state; }

# Whatever one start leaves behind would be there STARTS times.
entries() { find "$1" -mindepth 1 -maxdepth 1 | wc -l; }
held() {
  echo "shim $(entries "/proc/$(shims)/fd") descriptors, $(entries "/proc/$(shims)/task") threads," \
    "VM $(entries "/proc/$(vms)/fd") descriptors, mounts $(grep -c "$RUN/" /proc/self/mountinfo)," \
    "files $(find "$RUN/shim" | wc -l)"
}
settles_at() { becomes "$1" 60 held; }

starts_and_removals() {
  local pod before id
  pod=$(make_pod starts)
  id=$(make_container "$pod" starts c0 /bin/sh -c 'exit 7')
  becomes CONTAINER_EXITED 60 container_state "$id"
  crictl rm "$id" > /dev/null
  before=$(held)
  for ((i = 1; i <= STARTS; i++)); do
    id=$(make_container "$pod" starts "c$i" /bin/sh -c 'exit 7') || { say "start $i of $STARTS failed"; return 1; }
    # Every other one is killed, the rest end by themselves.
    [ $((i % 2)) -eq 0 ] || becomes CONTAINER_EXITED 60 container_state "$id"
    crictl rm --force "$id" > /dev/null || { say "removal $i of $STARTS failed"; return 1; }
    [ $((i % 50)) -ne 0 ] || say "$i starts: $(held)" >&3
  done
  settles_at "$before"
  crictl rmp --force "$pod" > /dev/null
}

exec_in() { timeout -s KILL 60 "$CRICTL" -c /dev/null -r "unix://$CONTAINERD" exec "$@"; }
# one_exec KIND CONTAINER
one_exec() {
  case $1 in
    0) exec_in -s "$2" /bin/true ;;
    1) prints spoken exec_in "$2" /bin/sh -c "$SPEAK" ;;
    2) exec_in -i "$2" /bin/true < /dev/zero ;;                       # leaves its input
    3) prints typed exec_in -i "$2" /bin/cat <<< typed ;;
    4) exits 1 exec_in "$2" /bin/sh -c "$FAIL" ;;                     # crictl's own status
    5) script -qec "timeout -s KILL 60 $CRICTL -c /dev/null -r unix://$CONTAINERD exec -it $2 /bin/sh -c '$SIZE'" \
      /dev/null < /dev/null | grep -q '[0-9]' ;;
    6) ! exec_in --timeout 1 -s "$2" /bin/sleep 900 ;;                # killed by its time limit
    # Its client is killed while the command waits for input. A command that writes on would stay, as with runc: once
    # nobody reads its output, it waits for ever.
    7) ! timeout -s KILL 3 "$CRICTL" -c /dev/null -r "unix://$CONTAINERD" exec -i "$2" /bin/cat < <(sleep 8) ;;
  esac
}
execs_of_all_kinds() {
  local pod id before
  pod=$(make_pod execs)
  id=$(make_container "$pod" execs main /bin/sleep 1000000)
  for kind in 0 1 2 3 4 5 6; do one_exec "$kind" "$id" > /dev/null 2>&1 || true; done
  before=$(held)
  for ((i = 1; i <= EXECS; i++)); do
    one_exec $((i % 8)) "$id" > "$RUN/exec.out" 2>&1 || {
      say "exec $i of $EXECS, of kind $((i % 8)), failed:"
      tail -n 5 "$RUN/exec.out"
      return 1
    }
    [ $((i % 50)) -ne 0 ] || say "$i execs: $(held)" >&3
  done
  settles_at "$before"
  crictl rmp --force "$pod" > /dev/null
}
nothing_is_left() {
  becomes '' 30 vms
  becomes '' 30 shims
  [ -z "$(find "$RUN/shim" -mindepth 1)" ] || { find "$RUN/shim"; return 1; }
}

exec 3>&1
claim "$STARTS containers in a row start and are removed on a busy machine, and nothing of them is left" \
  starts_and_removals
claim "$EXECS commands of all kinds run in one container, and nothing of them is left" execs_of_all_kinds
claim 'with the pods everything is gone' nothing_is_left
exit $failed
