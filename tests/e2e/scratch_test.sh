#!/bin/bash
# Pods that write to a disk of the host's: more than their memory holds, and nothing of it can be read there or is
# left. Empty volumes on it, and what a memory limit ends.
# shellcheck source=tests/e2e/common.sh
. "$(dirname "$0")/common.sh"
# The demo image's user may write to /tmp. 512 KiB of one line, 700 times.
needle=plaintext-that-the-host-must-not-see
write_much="yes $needle | head -c 524288 > /tmp/a; i=0; while [ \$i -lt 700 ]; do \
cat /tmp/a || exit 1; i=\$((i+1)); done > /tmp/big; stat -c %s /tmp/big; exec sleep 1000"
write_little="echo $needle > /tmp/a && cat /tmp/a"
argv() { jq -cn --arg script "$1" '["/bin/sh", "-c", $script]'; }
use_volume="pwd; ls -A /data; echo $needle > /data/file && cat /data/file; ls /elsewhere"
take_memory='a=0123456789abcdef; while :; do a=$a$a; done'
allowed=(--allow-volume /data --allow-command "$(argv "$use_volume")" --allow-command "$(argv "$take_memory")" \
  --allow-command "$(argv "$write_much")" --allow-command "$(argv "$write_little")")
stack_up locket
seal_demo_image
configure() {
  {
    printf 'memory_mib = 256\nscratch_mib = %d\nscratch_dir = "%s"\n' "$1" "${2:-$RUN/scratch}"
    cat "$RUN/shim.toml"
  } > "$RUN/etc/shim-locket.toml"
}
cp "$RUN/etc/shim-locket.toml" "$RUN/shim.toml"
configure 1024

# The pod's scratch as the host has it: QEMU's descriptor of a file that has no name.
scratch_of() {
  local fd
  for fd in "/proc/$1/fd"/*; do
    case $(readlink "$fd") in "$RUN/scratch/"*) echo "$fd"; return ;; esac
  done
  say 'QEMU holds no scratch file'
  return 1
}
is_gone() {
  local until=$((SECONDS + 30))
  while [ -n "$(vms)" ]; do [ "$SECONDS" -lt "$until" ] || return 1; sleep 0.2; done
  [ -z "$(ls -A "$RUN/scratch")" ]
}

writes_more_than_memory() {
  local log=$RUN/much until=$((SECONDS + 240)) file
  "$locket" pod run "$image" --initdata "$RUN/app.toml" --name much -- /bin/sh -c "$write_much" \
    > "$log" 2>&1 & local pod=$!
  until grep -qx 367001600 "$log"; do
    kill -0 "$pod" && [ "$SECONDS" -lt "$until" ] || { cat "$log"; return 1; }
    sleep 0.5
  done
  file=$(scratch_of "$(vms)")
  # 350 MiB were written in 256 MiB of memory: most of it is on the disk by now.
  [ "$(stat -Lc %s "$file")" -eq $((1024 << 20)) ] && [ "$(($(stat -Lc %b "$file") / 2048))" -gt 150 ] || {
    stat -L "$file"
    return 1
  }
  if grep -qaF "$needle" "$file"; then say 'the host can read what was written'; return 1; fi
  [ -z "$(ls -A "$RUN/scratch")" ] || { say 'the file has a name'; return 1; }
  "$locket" pod stop much > /dev/null
  wait "$pod" || true
  is_gone
}
nothing_is_left_when_all_are_killed() {
  "$locket" pod run "$image" --initdata "$RUN/app.toml" --name killed --detach -- /bin/sleep 1000 > /dev/null
  local shim vm
  shim=$(shims)
  vm=$(vms)
  scratch_of "$vm" > /dev/null
  # Stopped, the shim can't end the VM before the kill; and with the shim dead, containerd's clean-up may have.
  kill -STOP "$shim"
  kill -KILL "$vm" "$shim"
  is_gone
  "$locket" pod stop killed > /dev/null
}
want_of_room_is_said() {
  local status=0
  mkdir -p "$RUN/small"
  mount -t tmpfs -o size=16m none "$RUN/small"
  configure 1024 "$RUN/small"
  refuses 'make a scratch disk of 1024 MiB: .* has room for 1[56] MiB' 60 run_pod --name large -- /bin/sh \
    -c "$write_little" || status=$?
  umount "$RUN/small"
  return "$status"
}
volume_is_the_guests_own() {
  local output
  relative work app --config.workingdir /data/src
  seal "$REGISTRY/work:1" work
  "$locket" broker allow kbs:///demo/key/app --tee emulated --guest-image "$GUEST/guest-image.json" \
    --initdata "$RUN/app.toml" --initdata "$RUN/work.toml"
  "$locket" pod run "$REGISTRY/work:1" --initdata "$RUN/work.toml" --name volume --empty-volume /data \
    --empty-volume /elsewhere -- /bin/sh -c "$use_volume" > "$RUN/volume" 2>&1 || true
  output=$(cat "$RUN/volume")
  grep -qx "$needle" <<< "$output" && grep -q "'/elsewhere': No such file" <<< "$output" || { say "$output"; return 1; }
  grep -q 'elsewhere.*allow_volumes' "$RUN"/log/containerd.log || { say 'what was left out is not named'; return 1; }
  ! grep -rqaF "$needle" "$RUN/scratch" "$RUN/shim"
}
memory_limit_is_the_reason() {
  local status=0 output
  output=$(run_pod --name greedy --memory 32 -- /bin/sh -c "$take_memory" 2>&1) || status=$?
  [ "$status" -eq 137 ] && grep -q 'ran out of memory' <<< "$output" || { say "status $status: $output"; return 1; }
}

claim 'a pod writes more than its memory holds, and the host sees ciphertext in a file without a name' \
  writes_more_than_memory
claim 'nothing is left of a scratch when shim and VM are killed' nothing_is_left_when_all_are_killed
claim "an empty volume is the guest's, where the tenant lists it" volume_is_the_guests_own
claim 'a container whose WORKDIR lies below an empty volume starts there, and the directory is made' \
  prints $'/data/src\nsrc' head -n 2 "$RUN/volume"
claim 'a container over its memory limit is OOMKilled' memory_limit_is_the_reason
claim 'a scratch there is no room for refuses the pod and says so' want_of_room_is_said
exit $failed
