#!/bin/bash
# Commands and terminals in running containers: what the tenant listed runs, through containerd, shim and crun, and
# nothing else does.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
stack_up locket
seal_demo_image
# shellcheck disable=SC2016
speaks='id -u; echo err >&2; exit 3' counts='cat /proc/[0-9]*/comm | grep -c sleep' \
  terminal='while read line; do stty size; done; exit 4'

# allow FILE OPTION...: initdata that lets the image sleep, and OPTIONs; the broker is told of it.
allow() {
  local file=$1 previous=("${initdata[@]}")
  shift
  "$locket" initdata create --broker-url "$LOCKET_BROKER_URL" --broker-ca "$LOCKET_BROKER_CA" \
    --allow-digest "$(jq -r .manifest_digest "$RUN/sealed.json")" --allow-command '["/bin/sleep","1000"]' \
    --allow-command '["/bin/sh","-c","exit 7"]' "$@" -o "$file"
  initdata=("${previous[@]}" --initdata "$file")
  "$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" "${initdata[@]}"
}
initdata=()
argv() { jq -cn '$ARGS.positional' --args -- "$@"; }
allow "$RUN/app.toml" --allow-exec "$(argv /bin/sh -c "$speaks")" --allow-exec "$(argv /bin/sh -c "$counts")" \
  --allow-exec '["/bin/sleep","900"]' \
  --allow-exec "$(argv /bin/sh -c "$terminal")"
allow "$RUN/tty.toml" --allow-stdin --allow-exec "$(argv /bin/sh -c "$terminal")" \
  --allow-exec "$(argv /bin/sh -c "$speaks")" --allow-exec '["/bin/sleep","900"]'

pod_exec() { "$locket" pod exec "$@"; }
container_of() { "$locket" pod ls --json | jq -r --arg name "$1" '.[] | select(.name == $name) | .containers[0].id'; }

listed_command_runs() {
  exits 3 pod_exec main -- /bin/sh -c "$speaks" > "$RUN/out" 2> "$RUN/err"
  [ "$(cat "$RUN/out")" = 1000 ] && [ "$(cat "$RUN/err")" = err ] || { cat "$RUN/out" "$RUN/err"; return 1; }
}
timeout_kills() {
  refuses 'timeout|exceeded' 60 pod_exec --timeout 2 main -- /bin/sleep 900
  prints 1 pod_exec main -- /bin/sh -c "$counts" # the container's own
}
exited_container() {
  run_pod --name ended --detach -- /bin/sh -c 'exit 7' > /dev/null
  becomes exited 60 state_of ended
  refuses 'EXITED|not running|has ended' 60 pod_exec ended -- /bin/sleep 900
}
outlives_containerd() {
  pod_exec main -- /bin/sleep 900 > /dev/null 2>&1 & local exec=$!
  becomes 2 60 pod_exec main -- /bin/sh -c "$counts"
  stop containerd KILL
  start_containerd
  if wait "$exec"; then say 'the command claims success'; return 1; fi
  listed_command_runs
}
dead_vm_ends_it() {
  pod_exec main -- /bin/sleep 900 > /dev/null 2>&1 & local exec=$! status=0
  becomes 3 60 pod_exec main -- /bin/sh -c "$counts" # the one that containerd forgot goes on
  kill -KILL "$(vms | head -1)"
  wait "$exec" || status=$?
  [ "$status" -ne 0 ] || { say 'the command claims success'; return 1; }
}

# on_terminal POD: runs the command with ctr on a terminal of ours: types lines until the guest's terminal has our
# size, changes the size, types again, and ends the input with ^D. The command's exit status.
on_terminal() {
  python3 - ctr -a "$CONTAINERD" -n k8s.io tasks exec --tty --exec-id "terminal-$RANDOM" "$(container_of "$1")" \
    /bin/sh -c "$terminal" << 'PYTHON'
import fcntl, os, pty, select, signal, struct, sys, termios, time

def set_size(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

def read(seconds):
    if not select.select([master], [], [], seconds)[0]:
        return b""
    try:
        return os.read(master, 65536)
    except OSError:
        return None

def type_until(expected):
    seen, until = b"", time.monotonic() + 60
    while expected not in seen:
        if time.monotonic() > until:
            sys.exit(f"never saw {expected}: {seen[-500:]}")
        os.write(master, b"typed\r")
        while part := read(0.5):
            seen += part
        if part is None:
            sys.exit(f"ended: {seen.decode(errors='replace')}")
    return seen

pid, master = pty.fork()
if pid == 0:
    time.sleep(0.2)  # until the size is set
    os.execvp(sys.argv[1], sys.argv[1:])
set_size(31, 71)
type_until(b"31 71")
# Our own terminal is raw by now, so an echo is the guest's.
set_size(33, 77)
os.kill(pid, signal.SIGWINCH)
seen = type_until(b"33 77")
if b"typed" not in seen:
    sys.exit(f"no echo: {seen}")
os.write(master, b"\x04")
until = time.monotonic() + 60
while read(1) is not None:
    if time.monotonic() > until:
        sys.exit("^D did not end the input")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
}

# What of a pod's execs is in its shim and in containerd: descriptors, threads, FIFOs.
holdings() {
  echo "$(find "/proc/$(shims)/fd" | wc -l) descriptors," \
    "$(find "/proc/$(shims)/task" -maxdepth 1 | wc -l) threads," \
    "$(find "$RUN" /run/containerd -type p 2> /dev/null | wc -l) FIFOs"
}
# with_input_nobody_reads POD: the command ends with 3 while its client goes on writing.
with_input_nobody_reads() {
  exits 3 bounded 60 ctr -a "$CONTAINERD" -n k8s.io tasks exec \
    --exec-id "input-$RANDOM" "$(container_of "$1")" /bin/sh -c "$speaks" < /dev/zero > /dev/null 2>&1
}
execs_leave_nothing() {
  local pod=$1 before i
  with_input_nobody_reads "$pod"
  before=$(holdings)
  for ((i = 0; i < 6; i++)); do
    exits 3 pod_exec "$pod" -- /bin/sh -c "$speaks" > /dev/null 2>&1
    with_input_nobody_reads "$pod"
    refuses 'allow_exec' 60 pod_exec "$pod" -- /bin/none
    exits 4 on_terminal "$pod" > /dev/null
  done
  refuses 'timeout|exceeded' 60 pod_exec --timeout 1 "$pod" -- /bin/sleep 900
  becomes "$before" 30 holdings
}

run_pod --name main --detach -- /bin/sleep 1000 > /dev/null
claim 'a listed command runs as the container'"'"'s user, prints, and its exit status comes back' listed_command_runs
claim 'a command that is not listed is refused, and what to do is said' refuses 'allow_exec' 60 pod_exec main \
  -- /bin/sh -c 'id -u'
claim 'a command that takes too long is killed' timeout_kills
claim 'a terminal is refused without allow_stdin' refuses 'run it without tty, or set allow_stdin' 60 on_terminal main
claim 'a container that has exited takes no command' exited_container
claim 'commands run after containerd was killed in the middle of one' outlives_containerd
claim 'a VM that dies ends the commands in it' dead_vm_ends_it
"$locket" pod stop --all > /dev/null
"$locket" pod run "$image" --initdata "$RUN/tty.toml" --name tty --detach -- /bin/sleep 1000 > /dev/null
claim 'a terminal echoes, has the size of the user'"'"'s, follows it, and ends with ^D' exits 4 on_terminal tty
claim 'commands of every kind, also one that leaves its input, leave nothing in the shim' execs_leave_nothing tty
exit $failed
