#!/usr/bin/env python3
"""compare_stacks.py LOCKET COUNT [SEED]: extracts COUNT generated stacks of layers with `locket image extract` and with
`umoci unpack`, and compares the trees: names, types, modes, owners, contents, times, hard links, xattrs. Needs root.
Prints the first stacks that differ; exit status 1 if any does."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import layer_stacks
import trees

MAX_SHOWN = 10


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return "" if done.returncode == 0 else f"{argv[0]}: {done.stderr.strip()[-300:]}"


def as_a_layer_has_it(tree):
    """umoci leaves AUFS's own files, and xattrs of overlayfs, which in its tree steer nothing."""
    kept = {name: entry for name, entry in tree.items() if not name.startswith(".wh.")}
    first = {}
    for name in sorted(kept):
        first.setdefault(kept[name].get("link"), name)
    for name, entry in kept.items():
        entry["xattrs"] = {k: v for k, v in entry["xattrs"].items() if not k.startswith("trusted.overlay.")}
        if "link" in entry:
            entry["link"] = first[entry["link"]]
    return kept


def compare(locket, work, seed):
    started = time.time_ns()
    trees.write_layout(f"{work}/image", layer_stacks.stack(seed))
    ours = run(locket, "image", "extract", f"oci:{work}/image:t", f"{work}/ours")
    theirs = run("umoci", "unpack", "--image", f"{work}/image:t", f"{work}/theirs")
    if ours or theirs:
        return [text for text in (ours, theirs) if text]
    got, want = trees.listing(f"{work}/ours"), as_a_layer_has_it(trees.listing(f"{work}/theirs/rootfs"))
    return trees.differences("locket", got, want,
                             lambda name, key: key == "mtime" and trees.made_just_now(want[name], started))


def main():
    locket, count, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]), int((sys.argv + ["1"])[3])
    os.umask(0o022)
    failed = 0
    for i in range(count):
        work = tempfile.mkdtemp(prefix="stacks-", dir="/dev/shm")
        try:
            texts = compare(locket, work, seed * 1000003 + i)
        finally:
            shutil.rmtree(work)
        if texts:
            failed += 1
            if failed <= MAX_SHOWN:
                print(f"stack {seed * 1000003 + i}:\n  " + "\n  ".join(texts[:8]))
    print(f"{count} stacks, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
