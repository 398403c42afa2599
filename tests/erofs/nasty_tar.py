#!/usr/bin/env python3
"""nasty_tar.py make TAR | check TAR MOUNTPOINT: a tar with all that a layer may hold, written by Python's
tarfile, and the comparison of a mounted image with a model of it that shares no code with locket."""
import hashlib
import io
import os
import random
import stat
import struct
import sys
import tarfile

ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, perm, qualifier) for tag, perm, qualifier in (
    (1, 6, 0xffffffff), (2, 7, 12345), (4, 4, 0xffffffff), (16, 7, 0xffffffff), (32, 4, 0xffffffff)))
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def contents(seed, size):
    return random.Random(seed).randbytes(size)


def entries():
    """(TarInfo, data) in the order of the tar."""
    def item(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, uid=0, gid=0, mtime=1700000000, link="", dev=(0, 0),
             xattrs=None):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid, info.mtime, info.linkname = kind, mode, uid, gid, mtime, link
        info.devmajor, info.devminor, info.size = *dev, len(data)
        for key, value in (xattrs or {}).items():
            info.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        return info, data

    directory = tarfile.DIRTYPE
    yield item("./", directory, mode=0o711, uid=7, mtime=5)
    yield item("etc", directory, mode=0o755, xattrs={"user.dir": b"on a directory"})
    yield item("etc/passwd", data=b"root:x:0:0\n", mode=0o644, mtime=1700000000.125)
    yield item("/absolute/name", data=b"absolute")
    yield item("./dot/../dotdot/./file", data=b"cleaned")
    for size in (0, 1, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 12288 + 100, 1 << 20, (1 << 20) + 3000):
        yield item(f"sizes/{size}", data=contents(size, size))
    yield item("setuid", data=b"x", mode=0o6755)
    yield item("sticky", directory, mode=0o1777)
    yield item("big-ids", data=b"ids", uid=4294967294, gid=100000)
    yield item("old", data=b"epoch", mtime=-86400)
    yield item("far", data=b"future", mtime=5000000000.5)
    yield item("n" * 255, data=b"255 bytes of name")
    yield item("deep/" + "/".join("d" * 200 for _ in range(18)) + "/leaf", data=b"deep")
    yield item("caf\u00e9", data=b"composed")
    yield item("cafe\u0301", data=b"decomposed")
    yield item("raw-\udcff\udc80-bytes", data=b"not UTF-8")
    yield item("new\nline", data=b"control")
    yield item("!before-dot", data=b"sorts before .")
    yield item("-also", data=b"sorts before .")
    yield item("dev/null", tarfile.CHRTYPE, mode=0o666, dev=(1, 3))
    yield item("dev/big", tarfile.BLKTYPE, mode=0o660, gid=6, dev=(259, 70000))
    yield item("dev/fifo", tarfile.FIFOTYPE, mode=0o600)
    yield item("link-short", tarfile.SYMTYPE, mode=0o777, link="etc/passwd")
    yield item("link-long", tarfile.SYMTYPE, mode=0o777, link="x/" * 2000 + "y" * 95)
    yield item("link-abs", tarfile.SYMTYPE, mode=0o777, link="/etc")
    yield item("link-up", tarfile.SYMTYPE, mode=0o777, link="../../../../etc")
    yield item("link-abs/through", data=b"through an absolute symlink")
    yield item("link-up/upwards", data=b"through one that leaves the root")
    yield item("hard/a", data=contents("hard", 5000), uid=3)
    yield item("hard/b", tarfile.LNKTYPE, link="hard/a")
    yield item("elsewhere/c", tarfile.LNKTYPE, link="./hard/b")
    yield item("hard/sym", tarfile.SYMTYPE, mode=0o777, link="a")
    yield item("hard/sym2", tarfile.LNKTYPE, link="hard/sym")
    yield item("caps", data=b"ELF", mode=0o755, xattrs={"security.capability": CAPABILITY})
    yield item("acl", data=b"acl", mode=0o674, xattrs={"system.posix_acl_access": ACL})
    yield item("xattrs", data=b"many", xattrs={
        **{f"user.{i}": contents(i, i * 7).replace(b"\0", b"z") for i in range(40)}, "user.empty": b"",
        "trusted.t": b"trusted", "user." + "k" * 250: b"long name", "com.apple.provenance": b"not for Linux"})
    yield item("xattr-huge", data=contents("tail", 300), xattrs={"user.huge": contents("huge", 50000)})
    yield item("many", directory)
    for i in range(3000):
        yield item(f"many/entry-{i:05}-{'p' * (i % 60)}", data=b"%d" % i)
    yield item("twice", data=b"first, and longer than the second")
    yield item("twice", data=b"second")
    yield item("merge", directory, mode=0o700)
    yield item("merge/kept", data=b"kept")
    yield item("merge", directory, mode=0o750, uid=9)
    yield item("file-then-dir", data=b"file")
    yield item("file-then-dir", directory)
    yield item("file-then-dir/inside", data=b"inside")
    yield item("dir-then-file/gone", data=b"gone")
    yield item("dir-then-file", data=b"file")
    yield item("implied/parents/here", data=b"implied")
    yield item("del/.wh.removed")
    yield item("opaque/.wh..wh..opq")
    yield item("opaque/child", data=b"child")
    yield item("both/.wh.file")
    yield item("both/file", data=b"the file wins")
    yield item("both/dir/inside", data=b"inside")
    yield item("both/.wh.dir")
    yield item(".wh..wh.plnk/1.2", data=b"AUFS's own")


def make(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in entries():
            tar.addfile(info, io.BytesIO(data))


class Model(dict):
    """Path (bytes) to dict of attributes; hard links share theirs."""

    def parents(self, path):
        parent = os.path.dirname(path)
        if parent and parent not in self:
            self.parents(parent)
            self[parent] = {"kind": stat.S_IFDIR, "mode": 0o755, "uid": 0, "gid": 0, "mtime": 0, "xattrs": {}}

    def put(self, path, attributes):
        if attributes["kind"] != stat.S_IFDIR or self.get(path, {}).get("kind") != stat.S_IFDIR:
            for other in [p for p in self if p == path or p.startswith(path + b"/")]:
                del self[other]
        self.parents(path)
        self[path] = attributes


KINDS = {tarfile.REGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
         tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO}
SUPPORTED = ("user.", "trusted.", "security.", "system.posix_acl_")
RESOLVED = {b"link-abs/through": b"etc/through", b"link-up/upwards": b"etc/upwards"}


def model():
    tree = Model()
    tree[b""] = {"kind": stat.S_IFDIR, "mode": 0o755, "uid": 0, "gid": 0, "mtime": 0, "xattrs": {}}
    opaque = []
    for info, data in entries():
        path = os.path.normpath("/" + info.name).lstrip("/").encode("utf-8", "surrogateescape")
        path = RESOLVED.get(path, path)
        directory, name = os.path.split(path)
        if path.startswith(b".wh..wh.plnk"):
            continue
        if name == b".wh..wh..opq":
            tree.parents(path)
            opaque.append(directory)
        elif name.startswith(b".wh."):
            hidden = os.path.join(directory, name[4:])
            if hidden in tree and tree[hidden]["kind"] == stat.S_IFDIR:
                opaque.append(hidden)
            elif hidden not in tree:
                tree.put(hidden, {"kind": stat.S_IFCHR, "mode": 0, "uid": 0, "gid": 0, "mtime": 0, "xattrs": {},
                                  "dev": (0, 0)})
        elif name == b"file-then-dir" and info.type == tarfile.DIRTYPE:
            opaque.append(path)
            tree.put(path, {"kind": stat.S_IFDIR, "mode": info.mode, "uid": 0, "gid": 0, "mtime": info.mtime,
                            "xattrs": {}})
        elif info.type == tarfile.LNKTYPE:
            tree.put(path, tree[os.path.normpath(info.linkname).encode()])
        else:
            xattrs = {k[13:]: v.encode("utf-8", "surrogateescape") for k, v in info.pax_headers.items()}
            tree.put(path, {
                "kind": KINDS[info.type], "mode": info.mode, "uid": info.uid, "gid": info.gid, "mtime": info.mtime,
                "xattrs": {k: v for k, v in xattrs.items() if k.startswith(SUPPORTED)}, "data": data,
                "link": info.linkname.encode(), "dev": (info.devmajor, info.devminor)})
    for directory in opaque:
        tree[directory]["xattrs"]["trusted.overlay.opaque"] = b"y"
    return tree


def found(root):
    paths = [b""]
    for base, directories, files in os.walk(root):
        paths += [os.path.relpath(os.path.join(base, name), root) for name in directories + files]
    return paths


def check(mount_point):
    root = os.fsencode(mount_point)
    expected = model()
    differences = []

    def same(path, what, got, want):
        if got != want:
            differences.append(f"{path!r}: {what}: {got!r}, not {want!r}")

    same("", "paths", sorted(set(found(root)) ^ set(expected)), [])
    for path, want in expected.items():
        full = os.path.join(root, path) if path else root
        got = os.lstat(full)
        same(path, "kind", stat.S_IFMT(got.st_mode), want["kind"])
        same(path, "mode", stat.S_IMODE(got.st_mode), want["mode"])
        same(path, "owner", (got.st_uid, got.st_gid), (want["uid"], want["gid"]))
        same(path, "mtime", got.st_mtime_ns // 1000, round(want["mtime"] * 1000000))
        same(path, "xattrs", {k: os.getxattr(full, k, follow_symlinks=False)
                              for k in os.listxattr(full, follow_symlinks=False)},
             want["xattrs"])
        links = sum(1 for other in expected.values() if other is want)
        if want["kind"] == stat.S_IFDIR:
            links = 2 + sum(1 for p, o in expected.items() if p and os.path.dirname(p) == path
                            and o["kind"] == stat.S_IFDIR)
        same(path, "links", got.st_nlink, links)
        if want["kind"] == stat.S_IFREG:
            with open(full, "rb") as file:
                same(path, "content", hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(want["data"]).hexdigest())
        if want["kind"] == stat.S_IFLNK:
            same(path, "target", os.readlink(full), want["link"])
        if want["kind"] in (stat.S_IFCHR, stat.S_IFBLK):
            same(path, "device", (os.major(got.st_rdev), os.minor(got.st_rdev)), want["dev"])
    inodes = {os.lstat(os.path.join(root, p)).st_ino for p in (b"hard/a", b"hard/b", b"elsewhere/c")}
    same("hard/a", "inodes", len(inodes), 1)
    print("\n".join(differences[:50]))
    return 1 if differences else 0


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    sys.exit(check(sys.argv[2]))
