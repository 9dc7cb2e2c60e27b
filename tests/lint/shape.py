# SPDX-License-Identifier: Apache-2.0
"""The shape of the sources: SPDX first, files of 400 lines, functions of 60."""
import os
import re
import subprocess
import sys

LONGEST_FILE, LONGEST_FUNCTION = 400, 60
COMMENT = {".c": "/* ", ".h": "/* ", ".py": "# ", ".sh": "# ", ".txt": "# "}


def sources():
    try:
        git = ["git", "ls-files", "-co", "--exclude-standard"]
        names = subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # a copy without git
        names = [os.path.relpath(os.path.join(top, name)) for top, _, found in os.walk(".") for name in found
                 if not top.startswith(("./build", "./.git"))]
    return [n for n in names if os.path.splitext(n)[1] in COMMENT and ".in/" not in n and os.path.isfile(n)]


def functions(lines):
    """(line number, length, name) of each block that opens in column 0."""
    start, head = None, ""
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield start, number - start, head
            start = None
        elif line and not line[0].isspace() and not line.startswith(("#", "/", "*", "}")):
            head = line[:60]


def complaints(name):
    with open(name, encoding="utf-8") as f:
        lines = f.read().split("\n")
    extension = os.path.splitext(name)[1]
    first = lines[1] if lines[0].startswith(("#!", "# ctest:")) else lines[0]
    if not first.startswith(COMMENT[extension] + "SPDX-License-Identifier: Apache-2.0"):
        yield 1, "no SPDX line first"
    if extension in (".c", ".h", ".py") and len(lines) > LONGEST_FILE + 1:
        yield len(lines), f"more than {LONGEST_FILE} lines"
    for number, line in enumerate(lines, 1):
        if re.search(r"[ \t]+$", line):
            yield number, "blanks at the end"
    if extension == ".c":
        for number, length, head in functions(lines):
            if length > LONGEST_FUNCTION:
                yield number, f"a function of {length} lines: {head}"


def main():
    names = sources()
    found = [f"{name}:{number}: {what}" for name in names for number, what in complaints(name)]
    print("\n".join(found))
    print(f"{len(names)} files looked at")
    sys.exit(1 if found or not names else 0)


main()
