# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands of a page of docs/recovery, as they stand in its last section.

usage: page.py PAGE HOST_SHELL [WORD=REPLACEMENT ...]

A block of commands says in its first line where it runs: "# on the controller" or "# on the host".
HOST_SHELL is the command that reads a script and runs it on the host. Each WORD of the page's
example, such as the name of the stack, is replaced.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```bash\n# on the (controller|host)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str) -> list[tuple[str, str]]:
    """Where each block of the last section runs, and its commands."""
    return [(match[1], match[2]) for match in BLOCK.finditer(text[text.rindex("\n## ") :])]


def main(page: str, host_shell: str, words: list[str]) -> int:
    found = blocks(Path(page).read_text(encoding="utf-8"))
    if not found:
        print(f"{page} ends without commands", file=sys.stderr)
        return 1
    for place, example in found:
        script = example
        for word in words:
            name, _, replacement = word.partition("=")
            script = script.replace(name, replacement)
        shell = ["bash", "-s"] if place == "controller" else shlex.split(host_shell)
        print(f"=== on the {place}:\n{script}", flush=True)
        status = subprocess.run(shell, input=f"set -eux\n{script}", text=True, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
