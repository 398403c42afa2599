#!/usr/bin/env python3
"""The lint of widths reports a line that is too long, and spares a URL alone on its line."""
import pathlib
import subprocess
import tempfile
import unittest

import check_width

LONG_URL = "https://example.org/" + "x" * 120


class CheckWidthTest(unittest.TestCase):
    def test_a_line_of_120_columns_passes_and_one_of_121_does_not(self):
        self.assertEqual(check_width.check_text("a.md", "x" * 120 + "\n" + "ä" * 120 + "\n"), [])
        self.assertEqual(check_width.check_text("a.md", "short\n" + "x" * 121 + "\n"),
                         ["a.md:2: 121 columns, more than 120"])

    def test_a_url_alone_on_its_line_passes(self):
        for line in (LONG_URL, f"* <{LONG_URL}>", f"# {LONG_URL}"):
            self.assertEqual(check_width.check_text("a.md", line), [])

    def test_a_url_within_a_sentence_or_a_table_does_not_excuse_the_line(self):
        for line in (f"See {LONG_URL}", f"| a | {LONG_URL} |"):
            self.assertEqual(len(check_width.check_text("a.md", line)), 1)

    def test_the_tree_is_read_by_kind_of_file(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            subprocess.run(["git", "init", "-q", folder], check=True)
            for name in ("a.cpp", "a.md", "bench/run", "bench/run.txt", "deploy/a.toml", "tests/a/b.sh"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("x" * 200)
            self.assertEqual([line.split(":")[0] for line in check_width.check(root)],
                             ["a.md", "bench/run", "deploy/a.toml", "tests/a/b.sh"])


if __name__ == "__main__":
    unittest.main()
