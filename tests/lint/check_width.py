#!/usr/bin/env python3
"""Fails on a line over 120 columns where people read: *.md, deploy/*.toml, scripts and shell tests, Python included.
The one exception is a line that holds a URL alone (after a list marker or a comment sign), which cannot be broken."""
import pathlib
import re
import subprocess
import sys

MAX_COLUMNS = 120
PROSE = re.compile(r".*\.(md|sh|py)|deploy/.*\.toml|(scripts|bench|guest-image)/[^.]*|\.ci/run|Makefile")
LONE_URL = re.compile(r"[\s>*#-]*<?https?://\S+>?\s*")


def check_text(name, text):
    """Returns one line for each line of `text` that is too long."""
    return [f"{name}:{number}: {len(line)} columns, more than {MAX_COLUMNS}"
            for number, line in enumerate(text.splitlines(), 1)
            if len(line) > MAX_COLUMNS and not LONE_URL.fullmatch(line)]


def check(root):
    """Returns one line for each line that is too long in the tree at `root`."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.splitlines()
    bad = []
    for name in listed:
        path = root / name
        if PROSE.fullmatch(name) and path.is_file() and not path.is_symlink():
            bad += check_text(name, path.read_text())
    return bad


if __name__ == "__main__":
    wrongs = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(wrongs))
    sys.exit(bool(wrongs))
