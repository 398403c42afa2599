#!/usr/bin/env python3
"""Fails when a page tells what a message means, and no program says that message any more. Messages are the words in
backticks before the colon of a list item. `...`, quoted names, N and M stand for what differs. The words between them
have to be in the string literals of the sources."""
import pathlib
import re
import subprocess
import sys

# The page, and the heading below which its items are messages.
PAGES = {"docs/DEBUGGING.md": None, "docs/snapshotter.md": "What goes wrong", "docs/broker.md": "What goes wrong",
         "docs/device-plugin.md": "What goes wrong"}
# Messages of other software, and words of an item that are no message.
OTHERS = {
    "ALREADY_EXISTS", "mismatched parent", "parent snapshot", "does not exist", "content digest", ": not found",
    "no processor for media-type",  # containerd
    "Object exists", "INTEGRITY AEAD ERROR", "Operation not permitted", "Function not implemented",
    "Read-only file system", "no such file",  # Linux
    "key values mismatch", "no certificate assigned",  # OpenSSL
    "connect", "bind",  # the names of system calls
    "HTTP 401",  # a registry's status
    "console.log", "ctr images mount", "left_out=", 'left_out="network (', "kubectl top",
}

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "*.cpp", "*.h"],
                        capture_output=True, text=True, check=True).stdout.split()
sources = [root / f for f in listed if not f.startswith("tests/") and (root / f).is_file()]


def said(text):
    """The text with string literals joined over lines, as the compiler joins them."""
    return re.sub(r'"\s*\n\s*"', "", text).replace('\\"', '"')


everything = "\n".join(said(source.read_text(encoding="utf-8")) for source in sources)
everything += (root / "deploy/containerd.toml").read_text(encoding="utf-8")


def items(page, heading):
    """Each list item of the page with the number of its first line, its lines joined."""
    inside, item, first = heading is None, [], 0
    for number, line in enumerate((root / page).read_text(encoding="utf-8").splitlines() + [""], 1):
        if item and line.startswith("  "):
            item.append(line.strip())
            continue
        if item:
            yield first, " ".join(item)
        if line.startswith("## ") and heading:
            inside = line[3:] == heading
        item, first = ([line[2:]], number) if inside and line.startswith("* ") else ([], 0)


def fragments(message):
    words = re.split(r"\.\.\.|'[^' ]*'|\b[NM]\b|\[|\]", message)
    return [w.strip(" :,()\"") for w in words if len(re.sub(r"\W", "", w)) >= 4]


def is_said(words):
    """Whether the words are in one literal, or begin at the end of one and go on at the beginning of another."""
    if words in everything:
        return True
    return any((words[:gap] + '"' in everything or words[:gap] + ' "' in everything) and
               ('"' + words[gap + 1:] in everything or '" ' + words[gap + 1:] in everything)
               for gap, letter in enumerate(words) if letter == " ")


bad = []
for page, heading in PAGES.items():
    found = 0
    for number, item in items(page, heading):
        head = re.match(r"(?:[^`:]*`[^`]*`)*[^`:]*(?=:)", item)
        for message in re.findall(r"`([^`]+)`", head[0] if head else ""):
            found += 1
            for fragment in fragments(message):
                known = {message, fragment} & OTHERS or any(fragment in other for other in OTHERS)
                if not known and not is_said(fragment):
                    bad.append(f"{page}:{number}: no program says '{fragment}' ('{message}')")
    if not found:
        bad.append(f"{page}: no messages found")
print("\n".join(bad))
sys.exit(bool(bad))
