# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nginx and HAProxy have read their files since those were written."""

from __future__ import annotations

import os
import subprocess
import time

from ansible_collections.firstbell.stack.plugins.module_utils._io.operations.edge import _read_at


def test_the_youngest_process_below_tells_when_files_were_read() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            assert abs(_read_at(os.getpid()) - time.time()) < 3
        finally:
            child.kill()
