#!/usr/bin/env python3
"""layer_stacks.py OUT COUNT SEED: an OCI layout OUT with COUNT images (tags s0, s1, ...) of random layers that build
on, change, hide and repeat one another, and two whose number of layers is the point: `twice` and `most` (500
different layers). Plain tars; the same SEED, the same bytes."""
import hashlib
import io
import json
import os
import random
import sys
import tarfile

NAMES = ["a", "b", "c", "d", "name with blank", "\u00fc"]
MODES = [0o755, 0o700, 0o1777, 0o2755, 0o4755, 0o640, 0o000]
XATTRS = [("user.note", "one"), ("user.other", "two"), ("trusted.note", "three")]


class Layer:
    """Entries in the order of the tar. What a directory of the same layer has is known, so that no name is there
    twice."""

    def __init__(self, rng, below):
        self.rng, self.below, self.entries, self.kinds = rng, below, [], {}

    def add(self, name, kind, data=b"", **fields):
        entry = tarfile.TarInfo(name)
        entry.type, entry.size = kind, len(data)
        entry.mtime = self.rng.randrange(1, 2**31)
        entry.mode = self.rng.choice(MODES)
        entry.uid, entry.gid = self.rng.choice([0, 1, 1000, 65534]), self.rng.choice([0, 5, 100000])
        for field, value in fields.items():
            setattr(entry, field, value)
        if kind in (tarfile.REGTYPE, tarfile.DIRTYPE) and self.rng.random() < 0.3:
            # The guest's tmpfs, on top of the root directory, has no user.*.
            key, text = self.rng.choice(XATTRS if name != "." else XATTRS[-1:])
            entry.pax_headers = {"SCHILY.xattr." + key: text}
        self.entries.append((entry, data))
        self.kinds[name] = kind

    def parents(self, name):
        """Directories on the way, most of them named by the layer. One that is not keeps what a layer below says, if
        there is one."""
        parts = name.split("/")[:-1]
        for i in range(1, len(parts) + 1):
            path = "/".join(parts[:i])
            if path in self.kinds:
                if self.kinds[path] != tarfile.DIRTYPE:
                    return False
            elif path in self.below and self.below[path] == tarfile.DIRTYPE and self.rng.random() < 0.3:
                self.kinds[path] = tarfile.DIRTYPE
            else:
                self.add(path, tarfile.DIRTYPE, mode=self.rng.choice([0o755, 0o700, 0o1777]))
        return True

    def one(self):
        rng = self.rng
        name = "/".join(rng.choice(NAMES) for _ in range(rng.randrange(1, 4)))
        if self.below and rng.random() < 0.5:
            name = rng.choice(sorted(self.below))
        if name in self.kinds or not self.parents(name) or name in self.kinds:
            return
        kind = rng.randrange(10)
        if kind <= 3:
            self.add(name, tarfile.REGTYPE, rng.randbytes(rng.choice([0, 1, 100, 4096, 9000])))
        elif kind == 4:
            self.add(name, tarfile.DIRTYPE)
        elif kind == 5:
            self.add(name, tarfile.SYMTYPE, linkname=rng.choice(["a", "../b", "/c/d", "nowhere"]), mode=0o777)
        elif kind == 6:
            files = [n for n, k in self.kinds.items() if k == tarfile.REGTYPE and ".wh." not in n]
            if files:
                target = next(e for e, _ in self.entries if e.name == files[0])
                self.add(name, tarfile.LNKTYPE, linkname=files[0], mode=target.mode, uid=target.uid, gid=target.gid,
                         mtime=target.mtime)
        elif kind == 7:
            self.add(name, rng.choice([tarfile.FIFOTYPE, tarfile.CHRTYPE]), devmajor=1, devminor=rng.choice([3, 5]))
        elif kind == 8 and name in self.below:
            folder, _, base = name.rpartition("/")
            self.add((folder + "/" if folder else "") + ".wh." + base, tarfile.REGTYPE, mode=0o600, uid=0, gid=0)
            self.kinds[name] = "hidden"
        elif kind == 9 and self.below.get(name) == tarfile.DIRTYPE:
            self.add(name, tarfile.DIRTYPE, mode=0o755)
            self.add(name + "/.wh..wh..opq", tarfile.REGTYPE, mode=0o600, uid=0, gid=0)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry, data in self.entries:
                tar.addfile(entry, io.BytesIO(data))
        return out.getvalue()

    def over(self):
        """What can be seen once this layer lies on those below, roughly: enough to aim at what is there."""
        seen = dict(self.below)
        for name, kind in self.kinds.items():
            if kind != tarfile.DIRTYPE or name + "/.wh..wh..opq" in self.kinds:
                for other in [n for n in seen if n.startswith(name + "/")]:
                    del seen[other]
            if kind == "hidden":
                seen.pop(name, None)
        seen.update({n: k for n, k in self.kinds.items() if k != "hidden" and n != "." and "/.wh." not in "/" + n})
        return seen


def random_stack(rng):
    below, tars = {}, []
    for _ in range(rng.randrange(2, 6)):
        layer = Layer(rng, below)
        if rng.random() < 0.4:
            layer.add(".", tarfile.DIRTYPE)
        for _ in range(rng.randrange(3, 12)):
            layer.one()
        if not layer.entries:
            layer.add("only", tarfile.REGTYPE)
        tars.append(layer.tar())
        below = layer.over()
    if rng.random() < 0.3:
        tars.insert(rng.randrange(len(tars) + 1), rng.choice(tars))
    return tars


def numbered(number):
    layer = Layer(random.Random(number), {})
    layer.add(f"f{number}", tarfile.REGTYPE, b"%d" % number)
    layer.add("shared", tarfile.REGTYPE, b"from %d" % number)
    return layer.tar()


def main():
    out, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs(out + "/blobs/sha256")
    index = []

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{out}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def image(tag, tars):
        layers = [blob(tar, "application/vnd.oci.image.layer.v1.tar") for tar in tars]
        config = {"architecture": "amd64", "os": "linux", "config": {"User": "0:0", "Cmd": ["/bin/true"]},
                  "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
        manifest_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": manifest_type, "layers": layers,
                    "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json")}
        index.append({**blob(json.dumps(manifest).encode(), manifest_type),
                      "annotations": {"org.opencontainers.image.ref.name": tag}})

    rng = random.Random(seed)
    for number in range(count):
        image(f"s{number}", random_stack(rng))
    one, two = numbered(0), numbered(1)
    image("twice", [one, two, one])
    many = [numbered(n) for n in range(500)]
    image("most", many + [many[7]])
    with open(out + "/oci-layout", "w", encoding="ascii") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')
    with open(out + "/index.json", "w", encoding="ascii") as file:
        json.dump({"schemaVersion": 2, "manifests": index}, file)


main()
