# SPDX-License-Identifier: Apache-2.0
"""Samples taken in turn, what they say, and the one table that shows it, as text and as Markdown.

A row is measured as interleaved rounds of base, control (the base again: what the machine makes of no
difference at all) and ours. Medians; differences and ratios are those of the pairs of one round.
"""
import math
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
        text = {"added": f"≤ +{limit}", "ratio": f"≤ {limit}x", "value": f"≤ {limit}"}[self.what]
        return f"{text} ({self.bound:g})" if self.bound else text


class Figure:
    """One line of the table. ours and base stand in pairs, of one round each; base may be missing."""

    def __init__(self, name, unit, base=(), control=(), ours=(), goal=None, note="", instructions=None):
        self.name, self.unit, self.goal, self.note, self.instructions = name, unit, goal, note, instructions
        self.base, self.control, self.ours = list(base), list(control), list(ours)

    @staticmethod
    def median(values):
        return statistics.median(values) if values else None

    @property
    def what(self):
        """What the row is about."""
        return self.goal.what if self.goal else "ratio" if self.base else "value"

    def samples(self, of):
        """`of` (ours or control) as what the row is about, by round; [] where there is nothing to compare."""
        if self.what == "value":
            return of if of is self.ours else []
        compare = {"added": lambda a, b: b - a, "ratio": lambda a, b: b / a}[self.what]
        return [compare(a, b) for a, b in zip(self.base, of)]

    def reached(self):
        return self.median(self.samples(self.ours))

    def off(self):
        """How far the control is from no difference."""
        found = self.median(self.samples(self.control))
        return None if found is None else found - (1 if self.what == "ratio" else 0)

    def margin(self):
        """Two standard errors of the median, as the quartiles tell them."""
        samples = self.samples(self.ours)
        low, high = quartiles(samples)
        return 2 * 0.93 * (high - low) / math.sqrt(len(samples))

    def verdict(self):
        """met, bound or missed where neither the margin nor the control's distance leave a doubt."""
        if not self.goal:
            return ""
        doubt = max(self.margin(), abs(self.off() or 0))
        least, most = self.reached() - doubt, self.reached() + doubt
        if most <= self.goal.limit:
            return "met"
        if least <= self.goal.limit:
            return "unresolved"
        return "bound" if self.goal.bound and most <= self.goal.bound else "MISSED"

    def record(self):
        """Everything, for a file."""
        return {"name": self.name, "unit": self.unit, "goal": self.goal.text() if self.goal else None, "verdict": self.verdict(),
                "what": self.what, "measured": self.reached(), "margin": self.margin(), "control_off": self.off(),
                "base": self.median(self.base), "control": self.median(self.control), "ours": self.median(self.ours),
                "instructions": self.instructions, "rounds": len(self.ours), "note": self.note}


def shown(value):
    if value is None:
        return ""
    size = abs(value)
    digits = 0 if size >= 1000 or size == 0 else 1 if size >= 100 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def of_kind(what, value, signed=True):
    """1.003x, +4.2, 17: as the goal has it."""
    if value is None:
        return ""
    if what == "ratio":
        return f"{value:.3f}x"
    return f"{'+' if signed and what == 'added' and value >= 0 else ''}{shown(value)}"


HEAD = ("row", "unit", "base", "ours", "measured", "A/A", "goal", "verdict", "instr.", "note")
LEFT = (0, 1, 6, 7, 9)


def cells(figure):
    what, off = figure.what, figure.off()
    control = None if off is None else off + (1 if what == "ratio" else 0)
    margin = f"{figure.margin():.3f}" if what == "ratio" else shown(figure.margin())
    return (figure.name, figure.unit, shown(figure.median(figure.base)), shown(figure.median(figure.ours)),
            f"{of_kind(what, figure.reached())} ± {margin}", of_kind(what, control), figure.goal.text() if figure.goal else "",
            figure.verdict(), f"+{shown(figure.instructions)}" if figure.instructions is not None else "", figure.note)


def table(groups):
    """groups: [(title, figures)]"""
    parts = [(title, [cells(figure) for figure in figures]) for title, figures in groups if figures]
    rows = [HEAD] + [row for _, part in parts for row in part]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]

    def line(row):
        return "  ".join(cell.ljust(width) if i in LEFT else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
    lines = [line(HEAD)]
    for title, part in parts:
        lines += [f"---- {title} ".ljust(len(lines[0]), "-")] + [line(row) for row in part]
    return "\n".join(lines)


def markdown(groups):
    lines = []
    for title, figures in groups:
        if not figures:
            continue
        lines += ["", f"## {title}", "", f"| {' | '.join(HEAD)} |", "|" + "|".join(" --- " if i in LEFT else " ---: " for i in range(len(HEAD))) + "|"]
        lines += [f"| {' | '.join(cells(figure))} |" for figure in figures]
    return "\n".join(lines)


def summary(groups):
    """One line for each verdict."""
    found = {}
    for _, figures in groups:
        for figure in figures:
            found.setdefault(figure.verdict(), []).append(f"{figure.name} ({of_kind(figure.what, figure.reached())}, goal {figure.goal.text()})"
                                                          if figure.goal else "")
    lines = [f"{len(found.get('met', []))} met"]
    for verdict, word in (("bound", "within the bound only"), ("MISSED", "missed"), ("unresolved", "unresolved in noise")):
        lines += [f"{len(found[verdict])} {word}: {'; '.join(found[verdict])}"] if verdict in found else []
    return "\n".join(lines)
