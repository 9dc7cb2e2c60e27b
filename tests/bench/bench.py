# SPDX-License-Identifier: Apache-2.0
"""Measures what the design promises, never as a test: `cmake --build build/release --target bench`.

  bench.py --build DIR [--list] [--rounds N] [--minutes N] [--json FILE] [--markdown FILE] [ROW or GROUP ...]

Each row stands in a table (ROWS) of rows_GROUP.py and can be run alone by its name. Programs of this directory
and the product come from the build tree. `ours` is with lifesign, `base` without (or the peer it is compared
with), A/A is the base against itself: a difference within that distance, or within ±, is the machine's, not
ours, and the verdict is `unresolved` then. A row whose programs are missing, that takes too long or breaks is
told at the end; the others go on. Without ROW everything is measured and also written to DIR/bench.md.
"""
import argparse
import importlib
import json
import os
import platform
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GROUPS = {"calls": "Shim: what one call costs", "services": "Services: CPU an operation", "agent": "Agent", "http": "HTTP", "dependencies": "Dependencies"}
LIMIT_S = 150     # no row takes longer than half of that on two idle cores
LAST_WORDS_S = 30  # for a row that was stopped to end what it started


class TooLong(Exception):
    pass


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build tree; its type should be a release")
    parser.add_argument("--rounds", type=int, help="how often each row alternates (default: what the row asks for)")
    parser.add_argument("--minutes", type=float, default=20, help="no row begins later than that (default: 20)")
    parser.add_argument("--json", help="file for the same figures, one JSON object a line")
    parser.add_argument("--markdown", help="file for the same table (default: bench.md in DIR when everything is measured)")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    return parser.parse_args()


def find_product(build):
    """Where lifesign.py of the e2e tests looks for it."""
    build = os.path.abspath(build)
    os.environ.update(LIFESIGN_BIN=f"{build}/bin/lifesign", LIFESIGN_SHIM=f"{build}/lib/liblifesign.so", LIFESIGN_BUILD=build,
                      LIFESIGN_SUPPORT=f"{build}/tests/support")
    sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]


def choose(words):
    rows = [(group, row) for group in GROUPS for row in importlib.import_module(f"rows_{group}").ROWS]
    unknown = set(words) - set(GROUPS) - {row.name for _, row in rows}
    if unknown:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; --list shows them")
    return [(group, row) for group, row in rows if not words or group in words or row.name in words]


def missing(row):
    """What it needs and is not there, as words for a person."""
    return ", ".join(f"{path} ({package})" for path, package in getattr(row, "needs", ()) if not os.path.exists(path))


def too_long(*_):
    signal.alarm(LAST_WORDS_S)
    raise TooLong(f"stopped after {LIMIT_S} s")


class Bench:
    def __init__(self, options):
        self.options = options
        self.figures = {group: [] for group in GROUPS}
        self.untold = []  # rows without figures, and why
        self.broken = False
        self.began = time.monotonic()

    def measure(self, group, row):
        """Whatever happens in it, the next one can go on."""
        lacks = missing(row)
        if lacks or time.monotonic() - self.began > self.options.minutes * 60:
            self.untold.append(f"{row.name}: " + (f"needs {lacks}" if lacks else "out of time"))
            return
        signal.alarm(LIMIT_S)
        try:
            self.figures[group] += row.measure(self.options.rounds)
        except Exception as error:  # pylint: disable=broad-except
            self.broken = True
            self.untold.append(f"{row.name}: {type(error).__name__}: {error}"[:2000])
        finally:
            signal.alarm(0)

    def run(self, chosen):
        signal.signal(signal.SIGALRM, too_long)
        try:
            for number, (group, row) in enumerate(chosen, 1):
                print(f"[{number}/{len(chosen)}] {time.monotonic() - self.began:4.0f} s  {group} {row.name}", file=sys.stderr, flush=True)
                self.measure(group, row)
        except KeyboardInterrupt:
            self.untold.append(f"interrupted at {row.name}")
            self.broken = True

    def groups(self):
        return [(title, self.figures[group]) for group, title in GROUPS.items()]

    def machine(self):
        load = os.getloadavg()
        return (f"{time.strftime('%Y-%m-%d %H:%M')}, Linux {platform.release()}, {os.cpu_count()} CPUs, load {load[0]:.2f} {load[1]:.2f}, "
                f"measured in {(time.monotonic() - self.began) / 60:.1f} min")

    def not_measured(self):
        return [f"not measured: {line}" for line in self.untold]

    def tell(self, figures):
        print(f"\n{self.machine()}\n\n{figures.table(self.groups())}\n\n{figures.summary(self.groups())}")
        print("\n".join(self.not_measured()), end="\n" if self.untold else "")

    def write(self, figures, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"# lifesign benchmarks\n\n{self.machine()}.\n\nBase: without lifesign, or the peer. Measured: what the goal speaks "
                    "of, by the median of interleaved rounds, ± two standard errors. A/A: the base against itself. Instr.: user "
                    f"instructions added, by callgrind.\n{figures.markdown(self.groups())}\n\n## Summary\n\n")
            f.writelines(f"* {line}\n" for line in figures.summary(self.groups()).split("\n") + self.not_measured())

    def write_json(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(json.dumps({"group": group, **figure.record()}) + "\n" for group in GROUPS for figure in self.figures[group])


def main():
    options = arguments()
    find_product(options.build)
    import figures  # pylint: disable=import-outside-toplevel  # only now it is found
    chosen = choose(options.rows)
    if options.list:
        print("\n".join(f"{group:9} {row.name}" for group, row in chosen))
        return
    bench = Bench(options)
    bench.run(chosen)
    bench.tell(figures)
    path = options.markdown or (None if options.rows else os.path.join(options.build, "bench.md"))
    if path:
        bench.write(figures, path)
        print(f"written to {path}")
    if options.json:
        bench.write_json(options.json)
    sys.exit(1 if bench.broken else 0)


main()
