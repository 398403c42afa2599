#!/bin/bash
# mkfs.erofs --tar of erofs-utils 1.8.6 (Debian 13) gives mode 0777 and the time of the build to a directory that the
# archive does not name. Tools that unpack container layers create such a directory with mode 0755, and leave its time
# to the file system. Because of the time, the same archive gives another image at each conversion. A good engineer
# expects 0755 and a reproducible image, because many build tools write archives that name files only.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
fetch trixie erofs-utils=1.8.6-1

cd "$work"
mkdir -p tree/opt/tool
echo file > tree/opt/tool/file
tar -C tree -cf layer.tar opt/tool/file
for i in 1 2; do
  unpacked mkfs.erofs --tar=f -U 00000000-0000-0000-0000-000000000000 "$i.img" layer.tar > log 2>&1
  sleep 1.1
done
saw 'mode of opt/tool' 0777/rwxrwxrwx "$(unpacked dump.erofs --path=/opt/tool 1.img | sed -n 's/.*Access: //p')"
made=$(date -d "$(unpacked dump.erofs --path=/opt/tool 1.img | sed -n 's/^Timestamp: //p')" +%s)
saw 'seconds from its time to now, at most ten' yes \
  "$([ $(($(date +%s) - made)) -le 10 ] && echo yes || echo "no, $made")"
saw 'two images of one archive' different "$(cmp -s 1.img 2.img && echo equal || echo different)"
