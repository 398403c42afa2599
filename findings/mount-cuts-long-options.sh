#!/bin/bash
# mount(8) of util-linux 2.38.1 (Debian 12) cuts the options of an overlay at 4095 characters, and exits 0 if the rest
# is valid. The layers behind the cut are missing, and so is the rest of the path in which the cut is:
# .../snapshots/150/fs can become .../snapshots/15. A good engineer expects an error. The new mount API (fsconfig) has a
# limit of 256 for one string; one string for each layer avoids both limits. Needs root.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
fetch bookworm mount=2.38.1-5+deb12u3

# 400 layers of a file each: 1/ to 400/ below a short path.
mkdir -p "$work/l" "$work/all"
cd "$work/l"
for i in $(seq 1 400); do mkdir -p "snapshot/$i/fs" && touch "snapshot/$i/file-$i" "snapshot/$i/fs/file-$i"; done
# Most ways to cut a path leave one that is not there, and mount fails. Here, as on a node with many snapshots, the
# cut is in the number.
long=$(printf 'snapshot/%d/fs:' $(seq 100 360))
long=snapshot/./././././/${long#snapshot/}
long=${long%:}
echo "${#long} characters of lower directories"
export -f unpacked
export work
status=0
seen=$(unshare --mount bash -c "unpacked mount -t overlay -o 'lowerdir=$long' overlay '$work/all' && ls '$work/all'") ||
  status=$?
there() { grep -cx "$1" <<< "$seen" || true; }
saw 'exit status of mount' 0 "$status"
saw "the file of layer 355, of whose path the cut left '.../35'" 0 "$(there file-355)"
saw "a file of directory '35', which is no layer" 1 "$(there file-35)"
saw 'the file of layer 360, behind the cut' 0 "$(there file-360)"
