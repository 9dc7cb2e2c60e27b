# SPDX-License-Identifier: Apache-2.0
"""Lines that the tests of the coverage tree ran, by room and file: python3 tests/coverage.py [build/coverage]

The shim is not in it: its object is never instrumented.
"""
import collections
import json
import os
import subprocess
import sys


def gcov(data):
    """What gcov says of one .gcda, as parsed JSON."""
    said = subprocess.run(["gcov", "--json-format", "--stdout", data], capture_output=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]


def main():
    tree = sys.argv[1] if len(sys.argv) > 1 else "build/coverage"
    top = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
    ran = collections.defaultdict(lambda: collections.defaultdict(int))  # file -> line -> times
    for directory, _, names in os.walk(tree):
        for name in names:
            if name.endswith(".gcda"):
                for report in gcov(os.path.join(directory, name)):
                    for part in report["files"]:
                        path = os.path.relpath(os.path.realpath(os.path.join(report["current_working_directory"], part["file"])), top)
                        for line in part["lines"]:
                            ran[path][line["line_number"]] += line["count"]
    rooms = collections.defaultdict(lambda: [0, 0])
    for path in sorted(p for p in ran if p.startswith("agent/")):
        hit, all_ = sum(1 for times in ran[path].values() if times), len(ran[path])
        room = rooms[os.path.dirname(path)]
        room[0] += hit
        room[1] += all_
        print(f"{100 * hit // max(all_, 1):4} %  {hit:5} of {all_:5}  {path}")
    print()
    for room, (hit, all_) in rooms.items():
        print(f"{100 * hit // max(all_, 1):4} %  {hit:5} of {all_:5}  {room}")
    if not rooms:
        sys.exit(f"no .gcda below {tree}: cmake --workflow --preset coverage makes them")


main()
