# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints when an alert was received first: python3 arrived.py FILE PATH ALERT STATUS SECONDS.

Waits for it so many seconds, then ends with what was received instead.
"""

import json
import sys
import time
from pathlib import Path

file, path, name, status = sys.argv[1:5]
until = time.monotonic() + float(sys.argv[5])
while True:
    seen = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    alerts = [
        (one["at"], one["path"], alert["labels"]["alertname"], alert["status"])
        for one in seen
        for alert in one["alerts"]
    ]
    found = [at for at, *what in alerts if what == [path, name, status]]
    if found:
        print(found[0])
        break
    if time.monotonic() > until:
        sys.exit(f"{name} did not arrive; these did: {sorted({tuple(what) for _, *what in alerts})}")
    time.sleep(1)
