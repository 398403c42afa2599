#!/bin/bash
# QEMU 7.2 (Debian 12) takes a disk on a virtio-scsi controller away at once on `device_del`: it reports DEVICE_DELETED
# although the guest was not asked, and cannot have agreed, because its processors are stopped. For a virtio-blk disk
# the same command waits for the guest. QEMU's documentation of `device_del` says that the guest must cooperate. A good
# engineer therefore takes DEVICE_DELETED to mean that the guest has let go of the disk. On virtio-scsi it does
# not mean that: the guest may still have the disk mounted, and a caller has to ask the guest first.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
fetch bookworm qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3

truncate -s 1M "$work/disk"
export QEMU_MODULE_DIR=$work/root/usr/lib/x86_64-linux-gnu/qemu
unpacked qemu-system-x86_64 -L "$work/root/usr/share/qemu" -L "$work/root/usr/share/seabios" -S -nodefaults \
  -display none -machine q35 -accel tcg -m 64 -qmp unix:"$work/qmp",server=on,wait=off \
  -device pcie-root-port,id=slot1,chassis=1 -device virtio-scsi-pci,id=scsi &
qemu=$!
trap 'kill "$qemu" 2> /dev/null || true; rm -rf "$work"' EXIT
python3 - "$work" > "$work/said" << 'PYTHON'
import json, socket, sys, time
work = sys.argv[1]
for _ in range(300):
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(work + "/qmp")
        break
    except OSError:
        time.sleep(0.1)
channel = connection.makefile("rw")
def call(command, **arguments):
    channel.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    channel.flush()
    while True:
        message = json.loads(channel.readline())
        if "return" in message:
            return message["return"]
        if "error" in message:
            sys.exit(message["error"]["desc"])
        if message.get("event") == "DEVICE_DELETED" and "device" in message["data"]:
            deleted.add(message["data"]["device"])
deleted = set()
channel.readline()
call("qmp_capabilities")
for name in ["node-a", "node-b"]:
    call("blockdev-add", **{"driver": "file", "node-name": name, "filename": work + "/disk", "read-only": True})
call("device_add", driver="scsi-hd", id="scsi-disk", bus="scsi.0", drive="node-a")
call("device_add", driver="virtio-blk-pci", id="blk-disk", bus="slot1", drive="node-b")
print(call("query-status")["running"])
call("device_del", id="scsi-disk")
call("device_del", id="blk-disk")
for _ in range(30):
    call("query-status")
    time.sleep(0.1)
print("gone" if "scsi-disk" in deleted else "there")
print("gone" if "blk-disk" in deleted else "there")
call("quit")
PYTHON
wait "$qemu" || true
mapfile -t said < "$work/said"
saw "the guest's processors run" False "${said[0]}"
saw 'the virtio-scsi disk after device_del' gone "${said[1]}"
saw 'the virtio-blk disk after device_del' there "${said[2]}"
