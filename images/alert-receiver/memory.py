# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses memory.

memory.py fill MEGABYTES holds so much; memory.py exceed MEGABYTES lets a child want so much and die of it.
"""

from __future__ import annotations

import signal
import subprocess
import sys

MB = 1024 * 1024
PAGE = 4096


def take(megabytes: int) -> bytearray:
    """Memory whose every page was written to."""
    taken = bytearray(megabytes * MB)
    for at in range(0, len(taken), PAGE):
        taken[at] = 1
    return taken


def main() -> None:
    """Hold it, or have it taken away."""
    kind, megabytes = sys.argv[1], int(sys.argv[2])
    held = None
    if kind == "exceed":
        done = subprocess.run([sys.executable, __file__, "fill", str(megabytes)], check=False)
        if done.returncode != -signal.SIGKILL:
            sys.exit(f"nobody killed the child: {done.returncode}")
        sys.stdout.write("killed\n")
        sys.stdout.flush()
    else:
        held = take(megabytes)
    signal.pause()
    del held


if __name__ == "__main__":
    main()
