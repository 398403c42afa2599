#!/usr/bin/env python3
"""Fails on dead ends in the documents: links and anchors of *.md that lead nowhere, and paths of this
repository that a document, a comment or a message names and that are not there."""
import collections
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                        capture_output=True, text=True, check=True).stdout.split()
files = [f for f in listed if (root / f).is_file()]
known = set(files) | {str(p) for f in files for p in pathlib.PurePath(f).parents}
top_folders = {f.split("/")[0] for f in files if "/" in f}
bad = []


def prose(text):
    """Each line with its number; lines of code blocks are empty."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        yield number, "" if fenced or fence else line


def slugs(text):
    """The anchors that GitHub gives the headings of a document."""
    found = collections.Counter()
    anchors = set()
    for _, line in prose(text):
        heading = re.match(r"#{1,6} (.*)", line)
        if not heading:
            continue
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        anchors.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return anchors


texts = {f: (root / f).read_text(encoding="utf-8") for f in files if f.endswith(".md")}
anchors = {f: slugs(text) for f, text in texts.items()}
headings = {f: {re.sub(r"^#+ ", "", line).replace("`", "") for _, line in prose(text) if line.startswith("#")}
            for f, text in texts.items()}


def names_a_file(path):
    """Whether it is the path of a file from the root, and not one that the build makes."""
    return (path.split("/")[0] in top_folders and "." in path.rsplit("/", 1)[1] and
            not path.endswith((".pb.h", ".pb.cc")))


def check_link(name, number, target):
    if re.match(r"[a-z]+:", target):
        return
    path, _, anchor = target.partition("#")
    where = name
    if path:
        try:
            where = str((root / name).parent.joinpath(path).resolve().relative_to(root))
        except ValueError:
            where = ".."
        if where not in known:
            bad.append(f"{name}:{number}: link to '{target}': no such file")
            return
    if anchor and anchor not in anchors.get(where, set()):
        bad.append(f"{name}:{number}: link to '{target}': no such heading")


for name, text in texts.items():
    for number, line in prose(text):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            check_link(name, number, target)
        for path in re.findall(r"`([A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*)`", line):
            if names_a_file(path) and path not in known:
                bad.append(f"{name}:{number}: '{path}' is not there")
    for path, heading in re.findall(r"`(docs/[\w./-]+\.md)`,\s+\"([^\"]+)\"", text):
        if path in headings and heading not in headings[path]:
            bad.append(f"{name}: '{path}' has no heading \"{heading}\"")

for name in files:
    if name.endswith(".md") or name == "tests/lint/check_docs.py":
        continue
    try:
        lines = (root / name).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        continue
    for number, line in enumerate(lines, 1):
        for path in re.findall(r"\bdocs/[\w./-]+\.md", line):
            if path not in known:
                bad.append(f"{name}:{number}: '{path}' is not there")
        for path in re.findall(r"/usr/share/doc/locket/([\w.-]+\.md)", line):
            if f"docs/{path}" not in known:
                bad.append(f"{name}:{number}: 'docs/{path}' is not there")

print("\n".join(bad))
sys.exit(bool(bad))
