# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets the lock, case by case."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import runlock
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.runlock import Decision, Owner, Record

ME = Owner("machine", "boot", "pid:[1]", 100, 5000, "alice", "laptop", "site.yml")
NEIGHBOUR = dataclasses.replace(ME, pid=200, started=6000, user="bob", playbook="deploy.yml")
RECYCLED = dataclasses.replace(ME, started=9000)
CONTAINER = dataclasses.replace(NEIGHBOUR, namespace="pid:[2]")
BEFORE_REBOOT = dataclasses.replace(ME, boot="boot before")
ELSEWHERE = Owner("other", "other boot", "pid:[1]", 100, 5000, "carol", "desktop", "site.yml")
CLONE = dataclasses.replace(BEFORE_REBOOT, host="clone")
# A controller without /proc knows neither its machine nor its boot.
BARE = Owner("", "", "", 100, 0, "dave", "mac", "site.yml")
BARE_OTHER = dataclasses.replace(BARE, pid=300)
NOW, TTL = 10000.0, 7200.0


def held(owner: Owner, age: float = 60.0) -> Record:
    return Record(owner, "token", NOW - age, NOW - age, TTL)


@pytest.mark.parametrize(
    ("record", "me", "dead", "override", "action", "ask"),
    [
        pytest.param(None, ME, "", False, "acquire", False, id="free"),
        pytest.param(None, ME, "", True, "acquire", False, id="free, overridden"),
        pytest.param(held(ME), ME, "", False, "keep", False, id="mine"),
        pytest.param(held(ME, 9999), ME, "", False, "keep", False, id="mine, and old"),
        pytest.param(held(BARE), BARE, "", False, "keep", False, id="mine, without /proc"),
        pytest.param(held(dataclasses.replace(ME, playbook="x")), ME, "", False, "keep", False, id="mine, other words"),
        pytest.param(held(NEIGHBOUR), ME, "", False, "refuse", True, id="a process that can be seen"),
        pytest.param(held(NEIGHBOUR, 9999), ME, "", False, "refuse", True, id="one that can be seen, and old"),
        pytest.param(held(NEIGHBOUR), ME, "token", False, "take over", False, id="seen to be dead"),
        pytest.param(held(NEIGHBOUR), ME, "other token", False, "refuse", True, id="another was dead"),
        pytest.param(held(NEIGHBOUR), ME, "", True, "take over", False, id="overridden"),
        pytest.param(held(RECYCLED), ME, "", False, "refuse", True, id="our process id, another process"),
        pytest.param(held(BEFORE_REBOOT), ME, "", False, "take over", False, id="before a restart of ours"),
        pytest.param(held(CLONE), ME, "", False, "refuse", False, id="a copy of our machine"),
        pytest.param(held(CONTAINER), ME, "", False, "refuse", False, id="another pid namespace"),
        pytest.param(held(CONTAINER, 7200), ME, "", False, "take over", False, id="another namespace, and old"),
        pytest.param(held(ELSEWHERE, 7199), ME, "", False, "refuse", False, id="another controller"),
        pytest.param(held(ELSEWHERE, 7200), ME, "", False, "take over", False, id="another controller, and old"),
        pytest.param(held(BARE_OTHER), BARE, "", False, "refuse", False, id="nothing can be seen"),
        pytest.param(held(BARE), ME, "", False, "refuse", False, id="one of whom nothing is known"),
        pytest.param(held(ME), BARE, "", False, "refuse", False, id="seen from one who knows nothing"),
    ],
)
def test_acquire(record: Record | None, me: Owner, *, dead: str, override: bool, action: str, ask: bool) -> None:
    decision = runlock.acquire(record, me, NOW, dead, override)
    assert (decision.action, decision.ask) == (action, ask)


def test_renewing_counts_from_the_last_time() -> None:
    record = dataclasses.replace(held(ELSEWHERE, 9000), renewed=NOW - 10)
    assert runlock.acquire(record, ME, NOW).action == "refuse"


@pytest.mark.parametrize(
    ("record", "override", "action"),
    [
        (None, False, "nothing"),
        (held(ME), False, "release"),
        (held(ELSEWHERE), False, "nothing"),
        (held(ELSEWHERE, 9999), False, "nothing"),
        (held(ELSEWHERE), True, "release"),
    ],
)
def test_release(record: Record | None, override: bool, action: str) -> None:
    assert runlock.release(record, ME, override).action == action


def test_refusal_names_the_process_that_can_be_seen() -> None:
    record = held(NEIGHBOUR, 130)
    text = runlock.refusal(record, runlock.acquire(record, ME, NOW), NOW, "/run.json")
    for words in ("bob@laptop, pid 200, deploy.yml", "1970-01-01 02:44:30 UTC", "2m10s ago", "still running",
                  "kill 200 (on laptop)", "/run.json", "-e firstbell_lock_override=true"):  # fmt: skip
        assert words in text


def test_refusal_names_the_end_of_a_lock_that_cannot_be_checked() -> None:
    record = held(ELSEWHERE, 3600)
    text = runlock.refusal(record, runlock.acquire(record, ME, NOW), NOW, "/run.json")
    for words in (
        "carol@desktop",
        "cannot be seen from laptop",
        "ends by itself in 1h",
        "firstbell_lock_override=true",
    ):
        assert words in text


def test_takeover_says_from_whom_and_why() -> None:
    text = runlock.takeover(held(NEIGHBOUR), Decision("take over", "its process has ended"))
    assert "bob@laptop, pid 200, deploy.yml" in text
    assert text.endswith("its process has ended")


def test_record_there_and_back() -> None:
    record = held(dataclasses.replace(ME, user='a"b\n', playbook="ü.yml"))
    assert runlock.load(runlock.dump(record), "/run.json") == record


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"owner": {}, "token": "", "since": 1, "renewed": 1, "ttl": 1}', '"x"']
)
def test_a_file_of_something_else(text: str) -> None:
    with pytest.raises(InputError, match=r"rm /run\.json"):
        runlock.load(text, "/run.json")
