#!/usr/bin/env python3
"""trees.py list DIRECTORY: what a directory tree holds, as JSON: names, types, modes, owners, times, contents, links,
xattrs. Also what the differential tests share: differences of two listings, and OCI layouts of tars."""
import hashlib
import json
import os
import stat
import sys

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def about(path):
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    entry = {"type": oct(kind), "owner": [info.st_uid, info.st_gid], "mtime": info.st_mtime_ns,
             "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex()
                        for name in os.listxattr(path, follow_symlinks=False)}}
    if kind != stat.S_IFLNK:
        entry["mode"] = oct(stat.S_IMODE(info.st_mode))
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            entry["content"] = hashlib.sha256(file.read()).hexdigest()
        entry["size"] = info.st_size
    if kind == stat.S_IFLNK:
        entry["target"] = os.fsdecode(os.readlink(path))
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        entry["device"] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    return entry, (info.st_dev, info.st_ino), kind


def listing(root):
    """Name to what it is. The root is '.'; a file of several names names the first of them as its link."""
    found, first, todo = {}, {}, ["."]
    while todo:
        name = todo.pop()
        entry, inode, kind = about(os.path.join(root, name))
        found[name] = entry
        if kind == stat.S_IFDIR:
            todo += [os.path.normpath(os.path.join(name, child)) for child in os.listdir(os.path.join(root, name))]
        else:
            first.setdefault(inode, []).append(name)
    for names in first.values():
        for name in names:
            found[name]["link"] = min(names)
    return found


def differences(what, got, want, ignore=lambda name, key: False):
    """Texts that say where `got`, called `what`, is not `want`."""
    texts = []
    for name in sorted(set(got) | set(want)):
        if name not in got or name not in want:
            texts.append(f"{name!r}: {'not' if name not in got else 'only'} in {what}")
            continue
        for key in sorted(set(got[name]) | set(want[name])):
            mine, theirs = got[name].get(key), want[name].get(key)
            if mine != theirs and not ignore(name, key):
                texts.append(f"{name!r}: {key}: {what} has {mine!r}, not {theirs!r}")
    return texts


def made_just_now(about, started):
    """Whether it is a directory with the time of its extraction: one that no entry is about, or that got such a one."""
    return about["type"] == "0o40000" and started <= about["mtime"] < started + 86400 * 10**9


def put(directory, data):
    digest = hashlib.sha256(data).hexdigest()
    os.makedirs(f"{directory}/blobs/sha256", exist_ok=True)
    with open(f"{directory}/blobs/sha256/{digest}", "wb") as file:
        file.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def write_layout(directory, tars, tag="t", user=""):
    """An OCI layout in `directory` with one image, of these layers."""
    layers = [dict(put(directory, tar), mediaType=LAYER) for tar in tars]
    config = {"architecture": "amd64", "os": "linux", "config": {"User": user} if user else {},
              "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
                "config": dict(put(directory, json.dumps(config).encode()), mediaType=CONFIG)}
    entry = dict(put(directory, json.dumps(manifest).encode()), mediaType=MANIFEST,
                 annotations={"org.opencontainers.image.ref.name": tag})
    with open(f"{directory}/oci-layout", "w", encoding="ascii") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')
    with open(f"{directory}/index.json", "w", encoding="ascii") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)


if __name__ == "__main__":
    json.dump(listing(sys.argv[2]), sys.stdout, indent=1, sort_keys=True)
