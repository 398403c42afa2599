#!/usr/bin/env python3
"""The lint of layers and rooms reports each kind of mistake, and nothing in a tree without one."""
import pathlib
import tempfile
import unittest

import check_layers

check_layers.MAY_USE = {"low": set(), "high": {"low"}}
check_layers.ROOMS = {"high": ["cellar", "hall", ""]}
check_layers.CONFINED = {r"curl/": r"low/[a-z]+\.cpp"}

GOOD = {
    "low/a.h": "#include <vector>\n",
    "low/a.cpp": '#include "low/a.h"\n#include <curl/curl.h>\n',
    "high/cellar/wine.h": '#include "low/a.h"\n',
    "high/hall/door.h": '#include "high/cellar/wine.h"\n#include "high/hall/key.h"\n',
    "high/main.cpp": '#include "high/hall/door.h"\n#include "high/other.h"\n',
    "tests/any.cpp": '#include "high/main.h"\n',
}


class CheckLayersTest(unittest.TestCase):
    def reports(self, changes=None):
        """Returns what the lint says of the good tree with these files written over it; None removes a file."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**GOOD, **(changes or {})}.items():
                if text is not None:
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(text)
            return check_layers.check(root)

    def test_a_good_tree_passes(self):
        self.assertEqual(self.reports(), [])

    def test_a_folder_may_not_include_upward(self):
        self.assertEqual(self.reports({"low/b.h": '#pragma once\n#include "high/other.h"\n'}),
                         ["low/b.h:2: low/ may not include high/"])

    def test_a_room_may_not_include_upward(self):
        self.assertEqual(self.reports({"high/cellar/wine.h": '#include "high/hall/door.h"\n'}),
                         ["high/cellar/wine.h:1: high/cellar may not include high/hall, which is above it"])

    def test_a_room_may_not_include_the_folder_above_it(self):
        self.assertEqual(self.reports({"high/hall/door.h": '#include "high/other.h"\n'}),
                         ["high/hall/door.h:1: high/hall may not include high/, which is above it"])

    def test_a_room_missing_from_the_table_is_reported(self):
        self.assertEqual(self.reports({"high/attic/box.cpp": ""}), ["high/attic: not in the table of rooms"])

    def test_a_stale_room_is_reported(self):
        self.assertEqual(self.reports({"high/cellar/wine.h": None}),
                         ["high/cellar: in the table of rooms, but has no sources"])

    def test_a_folder_missing_from_the_table_is_reported(self):
        for name in ("new/a.cpp", "new/room/a.cpp"):
            self.assertEqual(self.reports({name: ""}), ["new/: not in the table of layers"])

    def test_a_third_party_header_stays_in_its_place(self):
        self.assertEqual(self.reports({"high/main.cpp": "#include <curl/curl.h>\n"}),
                         ["high/main.cpp:1: <curl/...> does not belong here"])


if __name__ == "__main__":
    unittest.main()
