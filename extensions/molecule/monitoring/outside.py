# SPDX-License-Identifier: GPL-3.0-or-later
"""What the people were told during a drill: outside.py WEBHOOKS MAILS.

That there is one, by both ways, over TLS and signed in; and nothing of what was provoked.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def lines(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


told = {
    alert["labels"]["alertname"]  # type: ignore[index]
    for line in lines(sys.argv[1])
    for alert in line["alerts"]  # type: ignore[attr-defined]
}
mails = [line for line in lines(sys.argv[2]) if line["way"] == "mail"]
refused = [line for line in lines(sys.argv[2]) if line["way"] == "refused"]
subjects = " ".join(str(mail["subject"]) for mail in mails)
assert "AlertDrill" in told, told
assert "AlertDrill" in subjects, subjects
assert all(mail["tls"] and mail["user"] == "drill" for mail in mails), mails
assert all(mail["recipients"] == ["admin@molecule.test"] for mail in mails), mails
assert not refused, refused
for provoked in ("CacheDown", "HostDiskSpaceLow", "SiteErrorRate", "ContainerRestartLoop", "DatabaseDeadlocks"):
    assert provoked not in told, told
    assert provoked not in subjects, subjects
