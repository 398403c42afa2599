#!/bin/bash
# mkfs.erofs --tar of erofs-utils 1.8.6 (Debian 13) does not support sparse files, which GNU tar writes with --sparse,
# and exits 0. A file in GNU's own sparse format is missing in the image. A file in the pax form has the name that is
# only for readers without sparse support, GNUSparseFile.PID/NAME, and its content is the list of pieces followed by the
# pieces. A good engineer expects the file, or an error: containerd's erofs differ and Kata make container layers this
# way.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
fetch trixie erofs-utils=1.8.6-1

cd "$work"
mkdir tree
truncate -s 1M tree/sparse
printf x | dd of=tree/sparse bs=1 seek=524288 conv=notrunc status=none
echo plain > tree/plain
# image_of FORMAT: packs the tree, makes an image of the archive, and extracts that.
image_of() {
  tar -C tree --sparse "--format=$1" -cf "$1.tar" sparse plain
  unpacked mkfs.erofs --tar=f "$1.img" "$1.tar" > "$1.log" 2>&1
  unpacked fsck.erofs "--extract=$1" "$1.img" >> "$1.log" 2>&1
}
image_of gnu
saw 'files of the archive in GNU format' 'plain sparse' "$(tar -tf gnu.tar | sort | xargs)"
saw 'files of its image' plain "$(ls gnu)"
image_of pax
saw 'files of the archive in pax format' 'plain sparse' "$(tar -tf pax.tar | sort | xargs)"
saw 'files of its image' './GNUSparseFile/sparse ./plain' \
  "$(cd pax && find . -type f | sed 's/File\.[0-9]*/File/' | sort | xargs)"
saw 'size of the sparse file there, of 1048576 bytes' 4608 "$(stat -c %s pax/GNUSparseFile.*/sparse)"
