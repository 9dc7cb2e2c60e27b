# SPDX-License-Identifier: Apache-2.0
"""Measures what the design promises, never as a test: `cmake --build build/release --target bench`.

  bench.py --build DIR [--list] [--rounds N] [--json FILE] [ROW or GROUP ...]

Each row stands in a table (ROWS) of rows_GROUP.py and can be run alone by its name. Programs of this directory
and the product come from the build tree. `ours` is with lifesign, `base` without (or the peer it is compared
with), the A/A control is the base again: a difference within its distance from 1 is the machine's, not ours.
"""
import argparse
import importlib
import json
import os
import platform
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GROUPS = ("calls", "agent", "http", "services")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build tree; its type should be a release")
    parser.add_argument("--rounds", type=int, help="how often each row alternates (default: what the row asks for)")
    parser.add_argument("--json", help="file for the same figures, one JSON object a line")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    return parser.parse_args()


def find_product(build):
    """Where lifesign.py of the e2e tests looks for it."""
    build = os.path.abspath(build)
    os.environ.update(LIFESIGN_BIN=f"{build}/bin/lifesign", LIFESIGN_SHIM=f"{build}/lib/liblifesign.so", LIFESIGN_BUILD=build)
    sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]


def all_rows():
    return [(group, row) for group in GROUPS for row in importlib.import_module(f"rows_{group}").ROWS]


def main():
    options = arguments()
    find_product(options.build)
    from figures import table  # pylint: disable=import-outside-toplevel
    rows = all_rows()
    unknown = set(options.rows) - {group for group, _ in rows} - {row.name for _, row in rows}
    if unknown:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; --list shows them")
    chosen = [(group, row) for group, row in rows if not options.rows or group in options.rows or row.name in options.rows]
    if options.list:
        print("\n".join(f"{group:9} {row.name}" for group, row in chosen))
        return
    done, failed = [], []
    for number, (group, row) in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {group} {row.name}", file=sys.stderr, flush=True)
        try:
            done += row.measure(options.rounds)
        except Exception as error:  # pylint: disable=broad-except  # the other rows are worth having
            failed.append(f"{row.name}: {type(error).__name__}: {error}")
    load = os.getloadavg()
    print(f"{time.strftime('%Y-%m-%d %H:%M')}  Linux {platform.release()}  {os.cpu_count()} CPUs  load {load[0]:.2f} {load[1]:.2f}")
    print(table(done))
    for line in failed:
        print(f"FAILED {line}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(figure.record()) + "\n" for figure in done)
    sys.exit(1 if failed else 0)


main()
