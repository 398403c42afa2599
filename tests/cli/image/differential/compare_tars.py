#!/usr/bin/env python3
"""compare_tars.py LOCKET COUNT [SEED]: seals-and-extracts COUNT generated tars by `locket image extract`, extracts
them by umoci (Go's archive/tar) and by GNU tar, and compares the trees: names, types, modes, owners, contents,
times, hard links, xattrs. A tenth of them is damaged in one byte: there locket may refuse what umoci takes, for
reasons that are listed here, but may not make another tree of it. Needs root and Go. Prints the first tars that
differ; exit status 1 if any does."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import odd_tars
import trees

BATCH = 60       # tars that are the layers of one image; overlayfs is not involved, so umoci sets the limit
MAX_SHOWN = 10
HERE = os.path.dirname(os.path.abspath(__file__))
# What locket refuses on purpose and umoci takes (docs/decisions/0025).
REFUSED = ["it climbs above the root", "character device 0:0", "is out of range", "behind its extended header",
           "global pax header",
           "a whiteout of no name", "a whiteout on its way", "its format of sparse files is unknown", "it has no name",
           "longer than 4095 bytes", "longer than 255 bytes", "target of a symlink", "is not a directory",
           "hard link to",
           "the map of its sparse data", "data is not as long as", "would replace the root", "too many symlinks",
           "more than", "larger than", "its data", "it is sparse"]
# What umoci refuses and locket takes: types that Go's reader knows, and what the file system it extracts to refuses.
TAKEN = ["unknown typeflag", "mknod", "invalid argument", "file name too long", "operation not permitted", "xattr",
         "lutimes",
         "file exists", "not a directory", "is a directory", "link", "no such file", "value too large"]


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False)
    return "" if done.returncode == 0 else f"{argv[0]}: {done.stderr.strip()[-400:]}"


class Comparison:
    def __init__(self, locket, work):
        self.locket, self.work, self.texts, self.started = locket, work, {}, time.time_ns()

    def note(self, tar, texts):
        if texts:
            self.texts.setdefault(tar.prefix, []).extend(texts)

    def fresh(self, name):
        path = f"{self.work}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def by_locket(self, tars):
        layout, tree = self.fresh("layout"), self.fresh("ours")
        trees.write_layout(layout, [tar.data for tar in tars])
        return run(self.locket, "image", "extract", f"oci:{layout}:t", tree), tree

    def by_umoci(self, tars):
        layout, tree = self.fresh("layout"), self.fresh("theirs")
        trees.write_layout(layout, [tar.data for tar in tars])
        return run("umoci", "unpack", "--image", f"{layout}:t", tree), f"{tree}/rootfs"

    def by_gnu_tar(self, tars):
        tree, why = self.fresh("gnu"), {}
        os.mkdir(tree)
        for tar in tars:
            done = subprocess.run(["tar", "-C", tree, "-x", "--xattrs", "--xattrs-include=*", "-p", "--same-owner",
                                   "--numeric-owner",
                                   "--delay-directory-restore"], input=tar.data, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE,
                                  check=False)
            if done.returncode != 0:
                why[tar.prefix] = done.stderr.decode(errors="replace").strip()[-400:]
        return why, tree

    def compare(self, tar, what, ours, theirs):
        mine = {name: about for name, about in ours.items() if name.split("/")[0] == tar.prefix}
        other = {name: about for name, about in theirs.items() if name.split("/")[0] == tar.prefix}
        ignore = lambda name, key: key == "mtime" and trees.made_just_now(other[name], self.started)
        self.note(tar, trees.differences(f"locket, against {what},", mine, other, ignore))

    def valid(self, tars):
        """All of them are what every program takes, but where the tar says otherwise."""
        why, tree = self.by_locket(tars)
        if why and len(tars) == 1:
            return self.note(tars[0], [why])
        if why:  # of one tar; the others are looked at all the same
            return [self.valid([tar]) for tar in tars]
        ours = trees.listing(tree)
        for_umoci = [tar for tar in tars if tar.umoci]
        if for_umoci:
            self.against_umoci(for_umoci, ours)
        for_gnu = [tar for tar in tars if tar.gnu]
        refused, tree = self.by_gnu_tar(for_gnu)
        theirs = trees.listing(tree)
        for tar in for_gnu:
            if tar.prefix in refused:
                self.note(tar, [f"GNU tar: {refused[tar.prefix]}"])
            else:
                self.compare(tar, "GNU tar", ours, theirs)
        return None

    def against_umoci(self, tars, ours):
        why, tree = self.by_umoci(tars)
        if why and len(tars) == 1:
            return self.note(tars[0], [why])
        if why:
            return [self.against_umoci([tar], ours) for tar in tars]
        theirs = trees.listing(tree)
        for tar in tars:
            self.compare(tar, "umoci", ours, theirs)
        return None

    def damaged(self, tar):
        ours_why, ours = self.by_locket([tar])
        theirs_why, theirs = self.by_umoci([tar])
        if ours_why and not theirs_why:
            known = any(reason in ours_why for reason in REFUSED)
            return self.note(tar, [] if known else ["umoci takes it; " + ours_why])
        if theirs_why and not ours_why:
            known = any(reason in theirs_why for reason in TAKEN)
            return self.note(tar, [] if known else ["locket takes it; " + theirs_why])
        if ours_why:
            return None
        mine, other = trees.listing(ours), trees.listing(theirs)
        # A directory that no entry is about has the group of a damaged one around it, there.
        ignore = lambda name, key: key in ("mtime", "mode", "owner") and trees.made_just_now(other[name], self.started)
        self.note(tar, trees.differences("locket, against umoci,", mine, other, ignore))
        return None


def generate(seed, count, writer, work):
    """Numbers to tars; every tenth written by Go."""
    by_go = odd_tars.written_by_go(subprocess.run([writer, str(seed), str(count), "0"], check=True,
                                                  stdout=subprocess.PIPE).stdout)
    for i in range(count):
        rng = random.Random(seed * 7919 + i)
        if i % 10 == 0:
            yield odd_tars.OddTar(f"t{i}", by_go[i])
        else:
            tar = odd_tars.odd_tar(rng.random(), f"t{i}", work)
            yield tar


def main():
    locket, count, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]), int((sys.argv + ["1"])[3])
    os.umask(0o022)
    work = tempfile.mkdtemp(prefix="tars-", dir="/dev/shm")
    try:
        writer = f"{work}/write_tars"
        subprocess.run(["go", "build", "-o", writer, f"{HERE}/write_tars.go"], check=True,
                       env=dict(os.environ, GO111MODULE="off", GOCACHE=os.environ.get("GOCACHE", f"{work}/cache"),
                                HOME=work))
        comparison, batch, num_damaged = Comparison(locket, work), [], 0
        for i, tar in enumerate(generate(seed, count, writer, work)):
            if i % 10 == 1:
                num_damaged += 1
                tar.data = odd_tars.mutant(random.Random(seed + i), tar.data)
                comparison.damaged(tar)
            else:
                batch.append(tar)
            if len(batch) == BATCH or i == count - 1 and batch:
                comparison.valid(batch)
                batch = []
    finally:
        shutil.rmtree(work)
    for prefix, texts in list(comparison.texts.items())[:MAX_SHOWN]:
        print(f"{prefix}:\n  " + "\n  ".join(texts[:8]))
    print(f"{count} tars, {num_damaged} of them damaged: {len(comparison.texts)} differ")
    return 1 if comparison.texts else 0


if __name__ == "__main__":
    sys.exit(main())
