#!/usr/bin/env python3
"""Makes the tars of this directory again, byte for byte. expected.json is kept by hand: its digests are part of
the format."""
import gzip
import io
import pathlib
import tarfile

HERE = pathlib.Path(__file__).parent


def make(name, items):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, kind, data, more in items:
            info = tarfile.TarInfo(path)
            info.type, info.size, info.mode, info.mtime = kind, len(data), 0o644, 1700000000
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    content = buffer.getvalue()
    (HERE / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)


F, D, L, H, C = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
make("empty.tar", [])
make("files.tar.gz", [
    ("bin", D, b"", {"mode": 0o755}),
    ("bin/tool", F, bytes(range(256)) * 40, {"mode": 0o4755}),
    ("bin/alias", L, b"", {"linkname": "tool", "mode": 0o777}),
    ("bin/again", H, b"", {"linkname": "bin/tool"}),
    ("etc/hostname", F, b"locket\n", {"uid": 1000, "gid": 70000, "mtime": 1700000000.5}),
    ("dev/null", C, b"", {"devmajor": 1, "devminor": 3, "mode": 0o666}),
    ("capable", F, b"x", {"pax_headers": {"SCHILY.xattr.user.note": "kept"}}),
])
make("whiteouts.tar", [
    ("gone/.wh.file", F, b"", {}),
    ("fresh/.wh..wh..opq", F, b"", {}),
    ("fresh/new", F, b"new", {}),
    ("swapped/.wh.dir", F, b"", {}),
    ("swapped/dir/new", F, b"new", {}),
])
make("text.tar", [("text", F, "".join(f"line {i}\n" for i in range(9999)).encode()[:40000], {})])
