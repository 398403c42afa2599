"""Tars in every header format, with every way of saying a thing that is still valid: what GNU tar, Go's archive/tar,
BSD tar and Python's tarfile write, and what old or careless programs have written. Each comes from a seed."""
import base64
import io
import random
import struct
import subprocess
import tarfile
from dataclasses import dataclass

BLOCK = 512


@dataclass
class OddTar:
    """All its files lie in `prefix`. Whether umoci and GNU tar take it for what it is: some valid tars they refuse, and
    some GNU tar reads differently from Go."""
    prefix: str
    data: bytes = b""
    umoci: bool = True
    gnu: bool = True


def padded(data):
    return data + b"\0" * (-len(data) % BLOCK)


def base256(value, size):
    return bytes([0xff if value < 0 else 0x80]) + (value % (1 << 8 * (size - 1))).to_bytes(size - 1, "big")


class Writer:
    """Writes headers by hand, choosing at random among what means the same."""

    def __init__(self, rng, prefix):
        self.rng, self.prefix, self.tar = rng, prefix, OddTar(prefix)
        self.out = io.BytesIO()
        self.format = rng.choice(["v7", "ustar", "ustar", "gnu", "gnu", "pax", "pax", "star"])
        self.files, self.directories, self.made = [], [prefix], 0

    def number(self, value, size):
        fits = 0 <= value < 8 ** (size - 1)
        if not fits or (self.format == "gnu" and self.rng.random() < 0.2):
            return base256(value, size)
        digits = b"%o" % value
        return self.rng.choice([
            digits.rjust(size - 1, b"0") + b"\0", digits.rjust(size - 1, b"0") + b" ", digits.rjust(size - 1) + b"\0",
            digits.rjust(size - 2, b"0").ljust(size - 1) + b"\0" if len(digits) < size - 1
            else digits.rjust(size - 1, b"0") + b"\0",
            digits.ljust(size, b"\0")])

    def header(self, name, kind, size, link=b"", mode=0o644, uid=0, gid=0, mtime=0, device=(0, 0), prefix=b"",
               tail=b""):
        head = name.ljust(100, b"\0") + self.number(mode, 8) + self.number(uid, 8) + self.number(gid, 8)
        head += self.number(size, 12) + self.number(mtime, 12) + b" " * 8 + kind + link.ljust(100, b"\0")
        if self.format != "v7":
            head += b"ustar  \0" if self.format == "gnu" else b"ustar\x0000"
            head += b"user".ljust(32, b"\0") + b"group".ljust(32, b"\0")
            head += self.number(device[0], 8) + self.number(device[1], 8) + prefix
        head = (head + tail).ljust(508, b"\0") + (b"tar\0" if self.format == "star" else b"\0" * 4)
        signed = self.rng.random() < 0.05
        total = sum((c - 256 if c > 127 and signed else c) for c in head)
        check = self.rng.choice([b"%06o\0 ", b"%06o \0", b"%07o\0"]) % total if total >= 0 else b"%06o\0 " % sum(head)
        self.out.write(head[:148] + check + head[156:])

    def records(self, records):
        body = b""
        for key, value in records:
            text = b" " + key + b"=" + value + b"\n"
            length = len(text)
            while len(b"%d" % length) + len(text) != length:
                length = len(b"%d" % length) + len(text)
            body += b"%d" % length + text
        kept, self.format = self.format, "pax"
        self.header(self.rng.choice([b"PaxHeaders.7/x", b"././@PaxHeader", b""]), b"x", len(body))
        self.format = kept
        self.out.write(padded(body))

    def long(self, kind, text):
        self.header(b"././@LongLink", kind, len(text) + 1)
        self.out.write(padded(text + b"\0"))

    def name_for(self, path, records):
        """What the header says of the name: all of it, or what is left of it."""
        rng = self.rng
        slash = path.find(b"/", max(0, len(path) - 101)) if len(path) > 100 or rng.random() < 0.3 else -1
        limit = 131 if self.format == "star" else 155
        split = self.format in ("ustar", "star") and 0 < slash <= limit and len(path) - slash - 1 <= 100 \
            and slash + 1 < len(path)
        if split:
            return path[slash + 1:], path[:slash]
        if self.format == "gnu" and (len(path) > 100 or rng.random() < 0.1):
            self.pending_long.append((b"L", path))
            return path[:rng.choice([100, 10])], b""
        if len(path) > 100 or (self.format == "pax" and rng.random() < 0.2):
            records.append((b"path", path))
            return b"cut" if rng.random() < 0.5 else path[:100], b""
        return path, b""

    def link_for(self, link, records):
        if self.format == "gnu" and (len(link) > 100 or self.rng.random() < 0.1):
            self.pending_long.append((b"K", link))
            return link[:100]
        if len(link) > 100 or (self.format == "pax" and link and self.rng.random() < 0.2):
            records.append((b"linkpath", link))
            return link[:self.rng.choice([0, 100])]
        return link

    def spelled(self, path):
        path = self.rng.choice([b"", b"", b"", b"./", b"/", b".//"]) + path
        return path.replace(b"/", b"//", 1) if self.rng.random() < 0.05 else path

    def attributes(self, kind, records):
        rng = self.rng
        said = {"mode": rng.choice([0o644, 0o755, 0o4755, 0o1777, 0o2700, 0o100644 if kind == b"0" else 0o600, 0]),
                "uid": rng.choice([0, 1, 1000, 2097151]), "gid": rng.choice([0, 5, 1000, 2097151]),
                "mtime": rng.choice([0, 1, 1234567890, 8589934591])}
        if kind == b"5":
            said["mode"] &= 0o1777  # what is made in it would inherit its group, on the machine it is made on
        if self.format == "gnu" and rng.random() < 0.2:
            said.update(uid=4294967294, gid=2097152, mtime=rng.choice([-86400, 8589934592]))
        if self.format == "pax":
            for key, value in ((b"mtime", rng.choice([b"1.5", b"-0.5", b"-1.25", b"1700000000.123456789123", b"7.",
                                                      b"12345",
                                                      b"-7"])),
                               (b"uid", rng.choice([b"70000", b"4294967294", b"0"])), (b"gid", b"3000000000"),
                               (b"atime", b"5.25"), (b"ctime", b"6"), (b"comment", b"a=b\nc"),
                               (b"VENDOR.key", b"\0\xff"),
                               (b"uname", b"root"), (b"hdrcharset", b"BINARY"), (b"LIBARCHIVE.creationtime", b"9")):
                if rng.random() < 0.2:
                    records.append((key, value))
            if kind in (b"0", b"5") and rng.random() < 0.3:
                value = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 40)))
                records.append((b"SCHILY.xattr.user.x%d" % rng.randrange(3), value))
                if rng.random() < 0.3:  # as BSD tar says everything twice
                    records.append((b"LIBARCHIVE.xattr.user.x", base64.b64encode(value)))
        return said

    def shuffle(self, records):
        rng = self.rng
        rng.shuffle(records)
        if records and rng.random() < 0.1:  # the last of one key counts
            key, _ = rng.choice(records)
            if key in (b"mtime", b"uid"):
                records.insert(0, (key, b"77"))
        if records and rng.random() < 0.05:  # nothing said: the header's own holds
            self.tar.gnu = False
            if not any(key == b"gid" for key, _ in records):
                records.append((b"gid", b""))

    def put(self, path, kind, data=b"", link=b"", device=(0, 0)):
        rng, records, self.pending_long = self.rng, [], []
        said = self.attributes(kind, records)
        name, prefix = self.name_for(self.spelled(path), records)
        link = self.link_for(link, records)
        size = len(data)
        if kind in b"123456" and rng.random() < 0.15:  # no body, whatever is said of its size
            if records and rng.random() < 0.5:
                records.append((b"size", rng.choice([b"1000", b"512", b"1"])))
            else:
                size = rng.choice([1, 512, 1000])
        elif self.format == "pax" and kind == b"0" and rng.random() < 0.2:
            records.append((b"size", b"%d" % len(data)))
            size = rng.choice([0, len(data), 12345])
        self.shuffle(records)
        if records:
            self.records(records)
        rng.shuffle(self.pending_long)
        for which, text in self.pending_long:
            self.long(which, text)
        if kind == b"0" and not name.endswith(b"/"):
            kind = rng.choice([b"0", b"0", b"0", b"\0"])
        self.header(name, kind, size, link, device=device, prefix=prefix, **said)
        self.out.write(padded(data))

    def sparse(self, path):
        """GNU's four ways to leave out the zeros."""
        rng = self.rng
        pieces, at = [], 0
        for _ in range(rng.choice([0, 1, 3, 5, 30])):
            at += rng.choice([0, 512, 4096, 100000])
            pieces.append((at, rng.choice([512, 1024])))
            at += pieces[-1][1]
        real = at + rng.choice([0, 0, 7, 5000])
        if real > at:
            pieces.append((real, 0))
        data = rng.randbytes(sum(size for _, size in pieces))
        form = rng.choice(["old", "0.0", "0.1", "1.0"])
        if form == "old":
            return self.old_sparse(path, pieces, real, data)
        numbers = [n for piece in pieces for n in piece]
        records = [(b"GNU.sparse.numblocks", b"%d" % len(pieces))]
        if form == "1.0":
            records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % real)]
            data = padded(b"".join(b"%d\n" % n for n in [len(pieces)] + numbers)) + data
        else:
            records.append((b"GNU.sparse.size", b"%d" % real))
        if form == "0.0":
            for offset, size in pieces:
                records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % size)]
        if form == "0.1":
            records += [(b"GNU.sparse.map", b",".join(b"%d" % n for n in numbers)), (b"GNU.sparse.major", b"0"),
                        (b"GNU.sparse.minor", b"1")]
        name = path
        if form != "0.0":
            records.append((b"GNU.sparse.name", path))
            name = self.prefix.encode() + b"/GNUSparseFile.7/x"
        self.tar.gnu = self.tar.gnu and (form != "0.1" or bool(pieces))
        self.records(records)
        self.format = "pax"
        self.header(name[:100], b"0", len(data))
        self.out.write(padded(data))

    def old_sparse(self, path, pieces, real, data):
        self.tar.umoci = False  # Go's reader knows it, umoci and containerd refuse the type
        kept, self.format = self.format, "gnu"
        entry = lambda piece: b"%011o\0%011o\0" % piece
        first, rest = pieces[:4], pieces[4:]
        tail = (b"\0" * 41 + b"".join(map(entry, first)).ljust(96, b"\0") + (b"\1" if rest else b"\0")
                + b"%011o\0" % real)
        self.header(path[:100], b"S", len(data), tail=tail)
        while rest:
            block, rest = rest[:21], rest[21:]
            part = b"".join(map(entry, block)).ljust(504, b"\0") + (b"\1" if rest else b"\0")
            self.out.write(part.ljust(BLOCK, b"\0"))
        self.out.write(padded(data))
        self.format = kept

    def new_path(self):
        rng = self.rng
        name = rng.choice([b"f", b"file", b"n" * 99, b"n" * 100, b"m" * 120, "\u00e4".encode(), b"\xff\xfe", b"a b",
                           b"x=y"])
        self.made += 1  # GNU tar keeps the first of two symlinks of one name
        name += b"%d" % self.made
        directory = rng.choice(self.directories)
        if rng.random() < 0.1:  # one that no entry is about
            directory += "/implied" + "/deep" * rng.randrange(3)
        return directory.encode() + b"/" + name

    def act(self):
        rng, path = self.rng, self.new_path()
        what = rng.choice(["file"] * 4 + ["directory"] * 2
                          + ["old directory", "slash", "symlink", "hard", "hard", "fifo", "device",
                                                           "contiguous", "again", "sparse", "sparse", "twice told"])
        ascii_only = all(c < 128 for c in path)
        if what == "file" or (what in ("hard", "again") and not self.files):
            self.files.append(path)
            self.put(path, b"0", rng.randbytes(rng.choice([0, 1, 511, 512, 513, 5000])))
        elif what == "directory" and ascii_only:
            self.directories.append(path.decode())
            self.put(path + rng.choice([b"", b"/", b"//"]), b"5")
        elif what == "old directory" and ascii_only and len(path) < 90:
            self.directories.append(path.decode())
            self.header(path + b"/", b"\0", rng.choice([0, 0, 700]), mode=0o750)
        elif what == "slash" and len(path) < 90:
            self.tar.gnu = False  # GNU tar takes any file with a slash at its end for a directory
            self.header(path + b"/", b"0", 600)
            self.out.write(padded(b"s" * 600))
        elif what == "symlink":
            self.put(path, b"2", link=rng.choice([b"a", b"/etc/x", b"../../up", b"t/" * 300]))
        elif what == "hard":
            self.put(path, b"1", link=self.spelled(rng.choice(self.files)))
        elif what == "fifo":
            self.put(path, b"6")
        elif what == "device" and self.format != "v7":
            self.put(path, rng.choice([b"3", b"4"]), device=rng.choice([(1, 3), (259, 70000), (4095, 1)]))
        elif what == "contiguous":
            self.tar.umoci = False
            self.put(path, b"7", b"contiguous")
        elif what == "again":
            self.put(rng.choice(self.files), b"0", rng.randbytes(30))
        elif what == "sparse" and len(path) <= 100:
            self.sparse(path)
        elif what == "twice told":
            self.tar.gnu = False  # of two headers of one kind the last counts for Go
            self.records([(b"path", b"first"), (b"mtime", b"5")])
            self.records([(b"path", path)])
            self.header(b"cut", b"0", 0)

    def finish(self):
        rng = self.rng
        self.header(self.prefix.encode() + b"/", b"5", 0, mode=0o755)
        for _ in range(rng.randrange(1, 12)):
            self.act()
        self.header(self.prefix.encode() + b"/last", b"0", 4)
        self.out.write(padded(b"last"))
        self.tar.data = self.out.getvalue() + rng.choice([b"", b"\0" * 512, b"\0" * 1024, b"\0" * 10240,
                                                          b"\0" * 1024 + b"behind the end"])
        return self.tar


def by_python(rng, prefix):
    out = io.BytesIO()
    form = rng.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for i in range(rng.randrange(1, 12)):
            name = f"{prefix}/" + rng.choice(["f", "d" * 60 + "/" + "e" * 70, "\u00e4", "\udcff"]) + str(i)
            info = tarfile.TarInfo(name)
            info.type = rng.choice([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE,
                                    tarfile.FIFOTYPE])
            info.mode = rng.choice([0o644, 0o6755, 0o1700])
            info.uid, info.gid = rng.choice([0, 2097151]), rng.choice([0, 7])
            info.mtime = rng.choice([0, 1700000000] + ([0.5, -1.5] if form == tarfile.PAX_FORMAT else []))
            if form != tarfile.USTAR_FORMAT and rng.random() < 0.3:
                info.uid, info.mtime = 4000000000, rng.choice([-5, 9000000000])
            if info.type == tarfile.SYMTYPE:
                info.linkname = "t" * (90 if form == tarfile.USTAR_FORMAT else 300)
            data = rng.randbytes(rng.randrange(2000)) if info.isreg() else b""
            info.size = len(data)
            if form == tarfile.PAX_FORMAT and info.isreg():
                info.pax_headers = {"SCHILY.xattr.user.p": "\u00fc", "comment": "c"}
            tar.addfile(info, io.BytesIO(data))
    return OddTar(prefix, out.getvalue())


def by_gnu_tar(rng, prefix, directory):
    """Of a tree in `directory`, which is made here."""
    tree = f"{directory}/{prefix}"
    script = ["set -e", "umask 022", f"mkdir -p {tree}/d/e", f"cd {tree}", "printf abc > f", "ln f hard",
              "ln -s f soft",
              "mkfifo d/fifo", "mknod d/null c 1 3", f"truncate -s {rng.choice([100000, 1 << 20])} d/sparse",
              f"printf tail | dd of=d/sparse bs=1 seek={rng.choice([0, 4096, 90000])} conv=notrunc status=none",
              f"chown {rng.choice([0, 70000])}:{rng.choice([0, 9])} f",
              f"chmod {rng.choice(['4755', '600', '2711'])} f",
              "python3 -c \"import os; os.setxattr('f', 'user.a', b'1'); os.setxattr('d', 'trusted.b', b'2')\"",
              f"printf long > d/e/{'l' * 200}", f"ln -s {'t' * 150} d/e/far"]
    form = rng.choice(["oldgnu", "gnu", "pax", "pax"])
    options = [f"--format={form}", rng.choice(["--sort=name", "--sort=none"]), rng.choice(["-b1", "-b20"])]
    sparse = rng.choice(["", "--sparse", "--sparse"])
    if sparse:
        options.append(sparse)
        if form == "pax":
            options.append("--sparse-version=" + rng.choice(["0.0", "0.1", "1.0"]))
    if form == "pax":
        options += ["--xattrs", "--xattrs-include=*"]
    if rng.random() < 0.3:
        options.append("--mtime=@" + rng.choice(["-86400.5", "9000000000"]))
    subprocess.run(["bash", "-c", "\n".join(script)], check=True)
    tar = subprocess.run(["tar", *options, "-C", directory, "-c", prefix], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["rm", "-rf", tree], check=True)
    return OddTar(prefix, tar, umoci=form == "pax" or not sparse)


def mutant(rng, data):
    """The same with one byte changed. If it is one of a header, the checksum is put right."""
    tar = bytearray(data)
    if rng.random() < 0.3:
        tar[rng.randrange(len(tar))] = rng.randrange(256)
        return bytes(tar)
    headers = [at for at in range(0, len(tar) - 511, 512) if tar[at + 257:at + 262] == b"ustar"]
    if headers:
        at = rng.choice(headers)
        place = rng.choice([rng.randrange(0, 512), rng.randrange(100, 160), 156, rng.randrange(124, 136)])
        tar[at + place] = rng.choice([0, 32, 48 + rng.randrange(8), 57, 128, 255, rng.randrange(256)])
        tar[at + 148:at + 156] = b" " * 8
        tar[at + 148:at + 156] = b"%06o\0 " % sum(tar[at:at + 512])
    return bytes(tar)


def written_by_go(output):
    """The tars that write_tars.go wrote, one after the other, each behind its length."""
    tars, at = [], 0
    while at < len(output):
        (size,) = struct.unpack_from(">I", output, at)
        tars.append(output[at + 4:at + 4 + size])
        at += 4 + size
    return tars


def odd_tar(seed, prefix, directory):
    rng = random.Random(seed)
    kind = rng.random()
    if kind < 0.1:
        return by_python(rng, prefix)
    if kind < 0.13:
        return by_gnu_tar(rng, prefix, directory)
    return Writer(rng, prefix).finish()
