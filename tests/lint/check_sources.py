#!/usr/bin/env python3
"""Fails on what the eye misses: files over 500 lines, functions over 70, tests and fuzz targets in no
CMakeLists.txt, decoders without pragma once, TODOs, and folders without a README."""
import pathlib
import re
import subprocess
import sys

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
MAX_P95_FUNCTION_LINES = 40


def function_lengths(lines):
    """Lengths of top-level bodies: an unindented '{' line end to the '}' in column 0."""
    start = None
    for number, line in enumerate(lines):
        if start is None and re.match(r"^[A-Za-z].*\)[^;]*\{$", line) and "namespace" not in line:
            start = number
        elif start is None and re.match(r"^ {4,}.*\)( const)?( override)? \{$", line):
            # The signature was broken over lines; its first line has no indent.
            first = number
            while first > 0 and lines[first].startswith(" "):
                first -= 1
            if re.match(r"^[A-Za-z].*\($|^[A-Za-z].*,$", lines[first]):
                start = first
        elif start is not None and line == "}":
            yield start + 1, number - start + 1
            start = None


def check(root):
    """Returns one line for each thing that is wrong in the tree at `root`."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in listed if (root / f).is_file()]
    sources = [f for f in files if f.endswith((".cpp", ".h"))]
    cmake = "".join((root / f).read_text() for f in files if f.endswith(("CMakeLists.txt", ".cmake")))
    bad = []
    lengths = []
    for name in sources:
        text = (root / name).read_text()
        lines = text.splitlines()
        if len(lines) > MAX_FILE_LINES:
            bad.append(f"{name}: {len(lines)} lines, more than {MAX_FILE_LINES}")
        if name.endswith(".h") and "#pragma once" not in text:
            bad.append(f"{name}: no #pragma once")
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                bad.append(f"{name}:{number}: finish it, or file an issue")
            if len(line) > 100:
                bad.append(f"{name}:{number}: longer than 100 columns")
        if name.endswith(".cpp") and not name.startswith("tests/"):
            for number, length in function_lengths(lines):
                lengths.append(length)
                if length > MAX_FUNCTION_LINES:
                    bad.append(f"{name}:{number}: a function of {length} lines")
    for name in sources:
        if re.search(r"_(test|fuzz)\.cpp$", name) and pathlib.Path(name).name not in cmake:
            bad.append(f"{name}: in no CMakeLists.txt, so it never runs")
    if lengths:
        p95 = sorted(lengths)[int(len(lengths) * 0.95)]
        if p95 > MAX_P95_FUNCTION_LINES:
            bad.append(f"functions: p95 is {p95} lines, more than {MAX_P95_FUNCTION_LINES}")
    folders = {f.split("/")[0] for f in sources if "/" in f} - {"tests"}
    bad += [f"{d}/: no README.md" for d in sorted(folders) if not (root / d / "README.md").is_file()]
    return bad


if __name__ == "__main__":
    wrongs = check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(wrongs))
    sys.exit(bool(wrongs))
