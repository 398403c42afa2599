#!/usr/bin/env python3
"""Fails when a row of docs/ATTACKS.md names no test, or a test that does not exist or that `make test` does not run,
and when a section has no rows."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
page = root / "docs/ATTACKS.md"
listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "tests"],
                        capture_output=True, text=True, check=True).stdout.split()
built = set()  # paths of what a CMakeLists.txt or *.cmake beside it names
for f in listed:
    if f.endswith(("CMakeLists.txt", ".cmake")):
        named = re.findall(r"[\w./-]+\.cpp", re.sub(r"#.*", "", (root / f).read_text()))
        built |= {str(pathlib.PurePath(f).parent / name.lstrip("/")) for name in named}
unit_tests = {}  # by name, the file
for f in listed:
    if f.endswith((".cpp", ".h")):
        for suite, name in re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", (root / f).read_text()):
            unit_tests[f"{suite}.{name}"] = f
run_scripts = (root / "tests/e2e/CMakeLists.txt").read_text()

bad = []
rows = 0
sections = {}  # by title, how many rows
section = ""
for number, line in enumerate(page.read_text().splitlines(), 1):
    where = f"{page}:{number}"
    if line.startswith("## "):
        section = line
        sections[section] = 0
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    if not line.startswith("|") or cells[0] == "what is tried" or set(cells[0]) <= set("-: "):
        continue
    if len(cells) != 3:
        bad.append(f"{where}: {len(cells)} cells instead of 3")
        continue
    rows += 1
    sections[section] = sections.get(section, 0) + 1
    named = 0
    for script, claim in re.findall(r'`tests/e2e/([\w.]+)`,? "([^"]+)"', cells[2]):
        named += 1
        path = root / "tests/e2e" / script
        if not path.is_file() or claim not in path.read_text():
            bad.append(f"{where}: no such claim in tests/e2e/{script}: {claim}")
        elif script.removesuffix(".sh") not in run_scripts:
            bad.append(f"{where}: tests/e2e/CMakeLists.txt does not run {script}")
    for test in re.findall(r"`(\w+\.\w+)`", cells[2]):
        named += 1
        if test not in unit_tests:
            bad.append(f"{where}: no such test: {test}")
        elif (source := unit_tests[test]).endswith(".cpp") and source not in built:
            bad.append(f"{where}: no CMakeLists.txt or *.cmake beside {source} names it, so {test} never runs")
    if not named:
        bad.append(f"{where}: the row names no test")

bad += [f"{page}: '{title}' has no rows" for title, count in sections.items() if count == 0]
if not sections:
    bad.append(f"{page}: no sections")
print("\n".join(bad), file=sys.stderr, end="\n" if bad else "")
print(f"{rows} rows")
sys.exit(1 if bad else 0)
