# SPDX-License-Identifier: Apache-2.0
"""Samples taken in turn, what they say, and the one table that shows it.

A row is measured as interleaved rounds of base, control (the base again: what the machine makes of no
difference at all) and ours. Medians; differences and ratios are those of the pairs of one round.
"""
import statistics


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


class Goal:
    """At most `limit` of `what`: added (ns, µs …), ratio, or value; `bound` is what must never be exceeded."""

    def __init__(self, what, limit, bound=None):
        self.what, self.limit, self.bound = what, limit, bound

    def text(self):
        limit = f"{self.limit:g}"
        shown = {"added": f"≤ +{limit}", "ratio": f"≤ {limit}x", "value": f"≤ {limit}"}[self.what]
        return f"{shown} ({self.bound:g})" if self.bound else shown


class Figure:
    """One line of the table."""

    def __init__(self, name, unit, base=(), control=(), ours=(), goal=None, note="", instructions=None):
        self.name, self.unit, self.goal, self.note, self.instructions = name, unit, goal, note, instructions
        self.base, self.control, self.ours = list(base), list(control), list(ours)

    @staticmethod
    def median(values):
        return statistics.median(values) if values else None

    def differences(self, of=None):
        return [b - a for a, b in zip(self.base, of or self.ours)]

    def ratio(self, of=None):
        of = self.ours if of is None else of
        return statistics.median(b / a for a, b in zip(self.base, of)) if self.base and of else None

    def added(self):
        return self.median(self.differences()) if self.base else None

    def spread(self):
        """IQR of what was added, or of the value where nothing is compared."""
        return quartiles(self.differences() if self.base else self.ours)

    def reached(self):
        """What the goal speaks of, by round."""
        pairs = list(zip(self.base, self.ours))
        return {"added": [ours - base for base, ours in pairs], "ratio": [ours / base for base, ours in pairs],
                "value": self.ours}[self.goal.what]

    def verdict(self):
        if not self.goal:
            return ""
        reached = self.reached()
        if statistics.median(reached) <= self.goal.limit:
            return "met"
        if self.goal.bound and statistics.median(reached) <= self.goal.bound:
            return "bound"
        # a quarter of the rounds within the goal: the machine was too noisy to tell
        return "unresolved" if quartiles(reached)[0] <= self.goal.limit else "MISSED"

    def record(self):
        """Everything, for a file."""
        low, high = self.spread()
        return {"name": self.name, "unit": self.unit, "base": self.median(self.base), "control": self.median(self.control),
                "control_ratio": self.ratio(self.control), "ours": self.median(self.ours), "ratio": self.ratio(),
                "added": self.added(), "low": low, "high": high, "instructions": self.instructions, "rounds": len(self.ours),
                "goal": self.goal.text() if self.goal else None, "verdict": self.verdict(), "note": self.note}


def shown(value, pattern="{}"):
    if value is None:
        return ""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return pattern.format(f"{value:.{digits}f}")


HEAD = ("row", "unit", "base", "A/A control", "ours", "ratio", "added", "IQR of added", "instr.", "goal", "")


def cells(figure):
    low, high = figure.spread()
    control = figure.ratio(figure.control)
    return (figure.name, figure.unit, shown(figure.median(figure.base)),
            f"{shown(figure.median(figure.control))} ({control:.3f}x)" if control else "",
            shown(figure.median(figure.ours)), f"{figure.ratio():.3f}x" if figure.ratio() else "", shown(figure.added()),
            f"{shown(low)} … {shown(high)}", shown(figure.instructions, "+{}") if figure.instructions is not None else "",
            figure.goal.text() if figure.goal else "", " ".join(filter(None, (figure.verdict(), figure.note))))


def table(figures):
    rows = [HEAD] + [cells(figure) for figure in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) if i in (0, 1, 9, 10) else cell.rjust(width)
                       for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths)] + lines[1:])
