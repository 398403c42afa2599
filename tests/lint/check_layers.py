#!/usr/bin/env python3
"""Fails when a folder or a room of a folder includes what is above it. docs/ARCHITECTURE.md has the same tables."""
import pathlib
import re
import sys

LAYER_0 = {"base"}
LAYER_1 = LAYER_0 | {"proto", "verity", "erofs"}
LAYER_2 = {"image", "initdata", "registry", "attest", "device", "rpc"}
MAY_USE = {
    "base": set(),
    "proto": set(),
    "verity": LAYER_0,
    "erofs": LAYER_0,
    "image": LAYER_1,
    "initdata": LAYER_1 | {"image"},
    "registry": LAYER_1 | {"image"},
    "attest": LAYER_1 | {"image"},
    "device": LAYER_1,
    "rpc": LAYER_1,
    "snapshotter": LAYER_1 | LAYER_2,
    "runtime-shim": LAYER_1 | LAYER_2,
    "guest-mounter": LAYER_1 | LAYER_2,
    "guest-agent": LAYER_1 | LAYER_2 | {"guest-mounter"},
    "key-broker": LAYER_1 | LAYER_2,
    "cli": LAYER_1 | LAYER_2,
    "device-plugin": LAYER_1 | LAYER_2,
}
EXEMPT = {"tests", "bench", "build"}  # the first two may use everything and are used by nobody

# The rooms (sub-folders) of a folder, lowest first; "" is the files in the folder itself. A room includes itself and
# the rooms before it in the list. A folder that is not in this table has no inner order.
ROOMS = {
    "attest": ["common", "jose", "http", "evidence", "snp", "emulator", "kbs"],
    "guest-agent": ["hardening", "policy", "process", "network", "broker", "pod", ""],
    "runtime-shim": ["config", "host", "hypervisor", "vm", "task", "command", ""],
    "snapshotter": ["store", "cache", "convert", "containerd", "pull", "snapshots", "metrics", "service"],
    "image": ["oci", "sealed", "seal", "local", "signing"],
    "cli": ["", "image", "pod", "cache", "broker", "doctor"],
}

# Third-party headers that stay in one place (docs/ARCHITECTURE.md): header -> files that may see it.
CONFINED = {
    r"rocksdb/": r"(snapshotter/store|key-broker)/[a-z_]*store[a-z_]*\.cpp",
    r"curl/": r"registry/.*",
    r"sodium\.h": r"image/signing/cosign_key\.cpp",
    r"systemd/": r"(snapshotter/service|device-plugin)/main\.cpp",
    r"toml\.hpp":
        r"(base/toml_table|initdata/initdata|snapshotter/service/options|key-broker/config|registry/hosts)\.cpp",
    r"openssl/": r"(verity|image|initdata|attest|key-broker|cli)/.*",
    r"grpc": r"(snapshotter|cli)/.*|rpc/grpc_server\.cpp|device-plugin/(kubelet_client|plugin_service)\.cpp",
    r"prometheus/": r"snapshotter/metrics/metrics\.cpp",
    r"microhttpd\.h": r"snapshotter/metrics/metrics_server\.cpp|key-broker/server\.cpp",
    r"isa-l/": r"erofs/decompressor\.cpp",
    r"lz4\.h": r"erofs/lz4_[a-z]+\.cpp",
    r"netlink/": r"device/kernel_network_control\.cpp",
}


def room_of(parts):
    """Returns the room of a path below a folder: the first sub-folder's name, or "" for a file in the folder itself."""
    return parts[0] if len(parts) > 1 else ""


def check_include(folder, room, included, rooms):
    """Returns what is wrong with `#include "included"` in that room, or None."""
    target, *inner = included.split("/")
    if target != folder:
        return None if target in MAY_USE[folder] else f"{folder}/ may not include {target}/"
    to = room_of(inner)
    if room in rooms and to in rooms and rooms.index(to) > rooms.index(room):
        return f"{folder}/{room} may not include {folder}/{to}, which is above it"
    return None


def check_file(path, relative):
    folder, *inner = relative.parts
    bad = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([^"]+/[^"]+)"', line)
        wrong = found and check_include(folder, room_of(inner), found[1], ROOMS.get(folder, []))
        if wrong:
            bad.append(f"{relative}:{number}: {wrong}")
        for header, allowed in CONFINED.items():
            if re.match(rf"#include <{header}", line) and not re.fullmatch(allowed, str(relative)):
                bad.append(f"{relative}:{number}: <{header}...> does not belong here")
    return bad


def check_rooms(folder, found):
    """Compares the rooms that have sources with the table's."""
    if folder not in ROOMS:
        return []
    unlisted = sorted(found - set(ROOMS[folder]))
    stale = [room for room in ROOMS[folder] if room not in found]
    return ([f"{folder}/{room}: not in the table of rooms" for room in unlisted] +
            [f"{folder}/{room}: in the table of rooms, but has no sources" for room in stale])


def check(root):
    """Returns one line for each thing that is wrong in the tree at `root`."""
    bad = []
    for folder in MAY_USE:
        sources = sorted(p for p in (root / folder).rglob("*") if p.suffix in {".h", ".cpp"})
        for path in sources:
            bad += check_file(path, path.relative_to(root))
        bad += check_rooms(folder, {room_of(p.relative_to(root / folder).parts) for p in sources})
    bad += [f"{folder}/: in the table of rooms, but not in that of layers"
            for folder in sorted(ROOMS.keys() - MAY_USE.keys())]
    folders = {p.name for p in root.iterdir() if p.is_dir() and (any(p.glob("*.cpp")) or any(p.glob("*/*.cpp")))}
    return bad + [f"{name}/: not in the table of layers" for name in sorted(folders - MAY_USE.keys() - EXEMPT)]


if __name__ == "__main__":
    wrongs = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(wrongs))
    sys.exit(bool(wrongs))
