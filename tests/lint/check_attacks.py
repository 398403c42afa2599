#!/usr/bin/env python3
"""Fails when an entry of docs/ATTACKS.md lacks a part, names no test, or a test that does not exist or that `make test`
does not run, and when a section has no entries."""
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


def entries(text):
    """Each item of a list, as its line number and its text on one line; headings likewise."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("* ", "#")):
            found.append([number, line])
        elif line.startswith("  ") and found and found[-1][1].startswith("* "):
            found[-1][1] += " " + line.strip()
        elif line.strip():
            found.append([number, ""])  # prose
    return [(number, line) for number, line in found if line]


def wrong_tests(text):
    """What is wrong with the tests that an entry names."""
    claims = re.findall(r'`tests/e2e/([\w.]+)`,? "([^"]+)"', text)
    tests = re.findall(r"`(\w+\.\w+)`", text)
    if not claims and not tests:
        yield "the entry names no test"
    for script, claim in claims:
        path = root / "tests/e2e" / script
        if not path.is_file() or claim not in path.read_text():
            yield f"no such claim in tests/e2e/{script}: {claim}"
        elif script.removesuffix(".sh") not in run_scripts:
            yield f"tests/e2e/CMakeLists.txt does not run {script}"
    for test in tests:
        if test not in unit_tests:
            yield f"no such test: {test}"
        elif (source := unit_tests[test]).endswith(".cpp") and source not in built:
            yield f"no CMakeLists.txt or *.cmake beside {source} names it, so {test} never runs"


bad = []
rows = 0
sections = {}  # by title, how many entries
chapter = section = ""
for number, line in entries(page.read_text()):
    where = f"{page}:{number}"
    if line.startswith("#"):
        section = line
        chapter = line if line.startswith("## ") else chapter
        sections.setdefault(section, 0)
        continue
    parts = re.fullmatch(r"\* .+ \*\*Result:\*\* .+ \*\*Tests?:\*\* (.+)", line)
    if not parts:
        bad.append(f"{where}: not 'what is tried', then **Result:**, then **Test:**")
        continue
    rows += 1
    for title in {chapter, section}:
        sections[title] += 1
    bad += [f"{where}: {wrong}" for wrong in wrong_tests(parts[1])]

sections = {title: count for title, count in sections.items() if not title.startswith("# ")}
bad += [f"{page}: '{title}' has no entries" for title, count in sections.items() if count == 0]
if not sections:
    bad.append(f"{page}: no sections")
print("\n".join(bad), file=sys.stderr, end="\n" if bad else "")
print(f"{rows} entries")
sys.exit(1 if bad else 0)
