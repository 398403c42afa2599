#!/usr/bin/env python3
"""Fails when a folder includes a folder it may not use. The table is docs/ARCHITECTURE.md's."""
import pathlib
import re
import sys

LAYER_0 = {"base"}
LAYER_1 = LAYER_0 | {"proto", "verity", "erofs"}
LAYER_2 = {"image", "registry", "attest", "device", "rpc"}
MAY_USE = {
    "base": set(),
    "proto": set(),
    "verity": LAYER_0,
    "erofs": LAYER_0,
    "image": LAYER_1,
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
EXEMPT = {"tests", "bench"}  # may use everything, are used by nobody

# Third-party headers that stay in one place (docs/ARCHITECTURE.md): header -> files that may see it.
CONFINED = {
    r"rocksdb/": r"(snapshotter|key-broker)/[a-z_]*store[a-z_]*\.cpp",
    r"curl/": r"registry/.*",
    r"libcryptsetup\.h": r"device/crypt[a-z_]*\.cpp",
    r"libdevmapper\.h": r"device/[a-z_]*\.cpp",
    r"sodium\.h": r"image/cosign_key\.cpp",
    r"systemd/": r"(snapshotter|device-plugin)/main\.cpp",
    r"toml\.hpp": r"(base/toml_table|image/initdata|snapshotter/options|key-broker/config|registry/hosts)\.cpp",
    r"openssl/": r"(verity|image|attest|key-broker|cli)/.*",
    r"grpc": r"(snapshotter|cli)/.*|rpc/grpc_server\.cpp|device-plugin/(kubelet_client|plugin_service)\.cpp",
    r"prometheus/": r"snapshotter/metrics\.cpp",
    r"microhttpd\.h": r"snapshotter/metrics_server\.cpp|key-broker/server\.cpp",
    r"isa-l/": r"erofs/decompressor\.cpp",
    r"lz4\.h": r"erofs/lz4_[a-z]+\.cpp",
    r"netlink/": r"device/kernel_network_control\.cpp",
}

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
bad = []
for path in sorted(p for d in MAY_USE for p in (root / d).rglob("*") if p.suffix in {".h", ".cpp"}):
    relative = path.relative_to(root)
    folder = relative.parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([^/"]+)/', line)
        if found and found[1] != folder and found[1] not in MAY_USE[folder]:
            bad.append(f"{relative}:{number}: {folder}/ may not include {found[1]}/")
        for header, allowed in CONFINED.items():
            if re.match(rf"#include <{header}", line) and not re.fullmatch(allowed, str(relative)):
                bad.append(f"{relative}:{number}: <{header}...> does not belong here")
unlisted = {p.name for p in root.iterdir() if p.is_dir() and any(p.glob("*.cpp"))}
bad += [f"{name}/: not in the table of layers" for name in sorted(unlisted - MAY_USE.keys() - EXEMPT)]
print("\n".join(bad))
sys.exit(bool(bad))
