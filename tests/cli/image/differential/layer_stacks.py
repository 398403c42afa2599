#!/usr/bin/env python3
"""layer_stacks.py SEED COUNT DIRECTORY: writes DIRECTORY/0 to DIRECTORY/COUNT-1, each an OCI layout with one image of
2 to 5 layers (tag t) that add, change, replace and delete each other's files in every way that a layer can. The same
seed gives the same bytes. No layer goes through a symlink of a lower one: there containerd and umoci differ."""
import io
import os
import random
import sys
import tarfile

import trees

NAMES = ["a", "b", "c", "dir", "etc", "x.y"]
KINDS = ["file", "file", "file", "directory", "directory", "symlink", "fifo", "device", "hardlink", "whiteout",
         "whiteout",
         "opaque", "opaque", "nothing-there", "aufs"]


class Stack:
    """What the layers so far come to: path to kind, by which the next ones are chosen."""

    def __init__(self, rng):
        self.rng = rng
        self.merged = {}

    def children(self, path):
        return [name for name in self.merged if name.startswith(path + "/")]

    def pick(self, kind=None):
        found = sorted(name for name, what in self.merged.items() if kind in (None, what))
        return self.rng.choice(found) if found else None

    def new_path(self):
        """A path whose parents are directories, or not there."""
        path = self.rng.choice(NAMES)
        for _ in range(self.rng.randrange(3)):
            if self.merged.get(path, "directory") != "directory":
                break
            path += "/" + self.rng.choice(NAMES)
        return path


class Layer:
    def __init__(self, stack):
        self.stack, self.rng = stack, stack.rng
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.PAX_FORMAT)
        self.mine = {}      # path to kind, in this layer
        self.hidden = set()  # paths of lower layers that this one hides, with all below them
        self.unnamed = set()  # directories that it has no entry about

    def xattrs(self, kind):
        names = []
        if self.rng.random() < 0.2:
            names = ["trusted.t", "security.capability"] if kind == "file" else ["trusted.t"]
            names += ["user.u"] if kind in ("file", "directory") else []
        if self.rng.random() < 0.05:
            names += ["trusted.overlay." + self.rng.choice(["opaque", "redirect", "metacopy", "origin", "whiteout"])]
        value = {"security.capability": b"\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0".decode("latin-1"),
                 "trusted.overlay.opaque": "y", "trusted.overlay.redirect": "/etc"}
        return {"SCHILY.xattr." + name: value.get(name, "v%d" % self.rng.randrange(9)) for name in names}

    def entry(self, path, kind, **more):
        info = tarfile.TarInfo(self.rng.choice(["", "", "./", "/"]) + path + ("/" if kind == "directory" else ""))
        info.type = {"directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE,
                     "device": self.rng.choice([tarfile.CHRTYPE, tarfile.BLKTYPE]),
                     "hardlink": tarfile.LNKTYPE}.get(kind, tarfile.REGTYPE)
        info.mode = self.rng.choice([0o755, 0o700, 0o1777, 0o2750, 0o4711, 0o644, 0o500])
        if kind == "directory":
            info.mode &= 0o1777  # what umoci makes in it would inherit its group, on the machine it runs on
        info.uid, info.gid = self.rng.choice([0, 0, 3, 70000]), self.rng.choice([0, 0, 4, 70000])
        info.mtime = self.rng.choice([0, 1, 1700000000, 1700000000.25, -1.5])
        info.devmajor, info.devminor = (self.rng.choice([(1, 3), (259, 70000)]) if kind == "device" else (0, 0))
        info.linkname = more.get("link", "")
        if kind not in ("hardlink", "marker"):
            info.pax_headers = self.xattrs(kind)
        data = b"" if kind != "file" else self.rng.randbytes(self.rng.choice([0, 1, 100, 4096, 5000]))
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data))

    def visible(self, path):
        """The kind of what would be there now: this layer's, or a lower one's that it does not hide."""
        if path in self.mine:
            return self.mine[path]
        hidden = any(path == name or path.startswith(name + "/") for name in self.hidden)
        return None if hidden else self.stack.merged.get(path)

    def put(self, path, kind, **more):
        parents = [path[:i] for i, c in enumerate(path) if c == "/"]
        if any(self.visible(parent) not in (None, "directory") for parent in parents):
            return
        for parent in parents:
            # What was hidden and comes back is named, as the order of its entries would count else.
            must = self.visible(parent) is None and parent in self.stack.merged
            if parent not in self.mine and (must or self.rng.random() < 0.5):
                self.entry(parent, "directory")
            if parent not in self.mine:
                self.unnamed.add(parent)
            self.mine.setdefault(parent, "directory")
        if self.visible(path) == "directory" and kind != "directory":
            for below in [name for name in self.mine if name.startswith(path + "/")]:
                del self.mine[below]
            self.hidden.add(path)
        self.entry(path, kind, **more)
        self.mine[path] = "file" if kind == "hardlink" else kind

    def marker(self, directory, name):
        parents = [directory[:i] for i, c in enumerate(directory + "/") if c == "/"]
        if any(self.visible(parent) not in (None, "directory") for parent in parents if parent):
            return False
        for parent in [parent for parent in parents if parent]:
            # For a marker alone containerd makes the directories on its way, and umoci does not.
            if self.visible(parent) is None:
                self.entry(parent, "directory")
            elif parent not in self.mine:
                self.unnamed.add(parent)
            self.mine.setdefault(parent, "directory")
        self.entry((directory + "/" if directory else "") + name, "marker")
        return True

    def act(self):
        kind = self.rng.choice(KINDS)
        path = self.stack.new_path()
        if kind == "hardlink":
            targets = sorted(name for name, what in self.mine.items() if what == "file"
                             and not name.startswith(path + "/"))
            if targets and path not in targets:
                self.put(path, "hardlink", link=self.rng.choice(targets))
        elif kind == "symlink":
            self.put(path, "symlink", link=self.rng.choice(["a", "../b", "/etc/c", "nowhere"]))
        elif kind == "whiteout":
            gone = self.stack.pick()
            if gone and gone not in self.mine and not any(n.startswith(gone + "/") for n in self.mine):
                if self.marker(os.path.dirname(gone), ".wh." + os.path.basename(gone)):
                    self.hidden.add(gone)
        elif kind == "nothing-there":
            if path not in self.mine and self.visible(path) is None:
                self.marker(os.path.dirname(path), ".wh." + os.path.basename(path))
        elif kind == "opaque":
            directory = self.stack.pick("directory") or path
            # Whether a directory is there that has nothing but markers in it, is for each program to say.
            doubtful = any(name.startswith(directory + "/") for name in self.unnamed)
            if (self.visible(directory) in (None, "directory") and not doubtful
                    and self.marker(directory, ".wh..wh..opq")):
                self.hidden |= set(self.stack.children(directory))
        elif kind == "aufs":
            self.entry(".wh..wh.plnk", "directory")
            self.entry(".wh..wh.plnk/7.8", "file")
            self.put(path, "hardlink", link=".wh..wh.plnk/7.8")
        else:
            self.put(path, kind)

    def finish(self):
        if self.rng.random() < 0.2:
            self.entry(".", "directory")
        for _ in range(self.rng.randrange(1, 12)):
            self.act()
        self.tar.close()
        for name in list(self.stack.merged):
            if self.visible(name) is None:
                del self.stack.merged[name]
        self.stack.merged.update(self.mine)
        for name in list(self.stack.merged):
            parent = os.path.dirname(name)
            if parent and self.stack.merged.get(parent) != "directory":
                del self.stack.merged[name]
        return self.out.getvalue()


def stack(seed):
    rng = random.Random(seed)
    below = Stack(rng)
    return [Layer(below).finish() for _ in range(rng.randrange(2, 6))]


def main():
    seed, count, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for i in range(count):
        trees.write_layout(f"{directory}/{i}", stack(seed * 1000003 + i))


if __name__ == "__main__":
    main()
