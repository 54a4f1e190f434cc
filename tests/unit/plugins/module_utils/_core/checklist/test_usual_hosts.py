# SPDX-License-Identifier: GPL-3.0-or-later
"""What many a host has, or went through, and nobody is to be told of."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import FAIL, PASS, WARN, Facts

from unit.broken_stack import Break, _both, _seen, _service, crashed
from unit.healthy_stack import DAY, NOW, healthy

#: When three replicas ended.
ENDED = 1_795_398_200.0
EACH_ONCE = [{"error": "exit 137", "at": "2026-11-23T02:10:00.1Z", "slot": slot} for slot in range(4)]

USUAL: dict[str, tuple[str, Break]] = {
    "all four replicas were killed once": ("crashes", _service("app", failed=EACH_ONCE)),
    "the host was started then": (
        "crashes",
        _both(crashed, _seen("engine", "daemon", "found", start_time=ENDED + 30)),
    ),
    "who has a policy for passwords": ("logins", _seen("logins", ending={"root": 60})),
    "an image that is the same whenever it is built": (
        "images",
        _both(*(_seen("engine", "images", "sha256:app", created=at) for at in (0, 315_532_800))),
    ),
    "images of a registry": ("images", _seen("released", former=["myorg/app:1", "ghost:5", "ghcr.io/a/b:2"])),
    "libraries of one's own that are known": (
        "programs",
        _both(
            _seen("programs", hiding_libraries=["/usr/local/lib/libssl.so.3"], hiding=["/usr/local/bin/docker"]),
            lambda _seen, expected: expected.update(known_jobs=["/usr/local/lib/libssl.so*", "/usr/local/bin/docker"]),
        ),
    ),
    "a host without logrotate": ("timers", _seen("units", **{"logrotate.timer": {"LoadState": "not-found"}})),
    "services that may take their time": (
        "timers",
        _seen("host", manager_settings={"DefaultTimeoutStopSec": ("infinity", "/etc/systemd/system.conf")}),
    ),
    "rights that everybody has": ("logins", _seen("logins", "decisive", "/etc/shadow", given={"user:1000": 0})),
    "who signs in elsewhere": ("site-answers", _seen("site", "page", status=302)),
}


def verdict(name: str, breaking: Break) -> str:
    seen, expected = healthy()
    breaking(seen, expected)
    return next(one for one in CHECKS if one.id == name).judge(Facts(seen, expected)).verdict


@pytest.mark.parametrize("what", USUAL)
def test_what_is_usual_is_not_told(what: str) -> None:
    assert verdict(*USUAL[what]) == PASS


@pytest.mark.parametrize(
    ("name", "breaking", "wanted"),
    [
        ("logins", _seen("logins", ending={"root": 20}), WARN),
        ("logins", _seen("logins", ending={"root": 6}), FAIL),
        ("crashes", _both(crashed, _seen("engine", "daemon", "found", start_time=ENDED - 300)), WARN),
        ("images", _seen("engine", "images", "sha256:app", created=NOW - 60 * DAY), WARN),
    ],
)
def test_what_is_not_usual_is_told_by_its_weight(name: str, breaking: Break, wanted: str) -> None:
    assert verdict(name, breaking) == wanted
