# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.administrators import logins
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import FAIL, PASS, Facts, Outcome

from unit.healthy_stack import healthy

FILE = "/etc/ssh/sshd_config.d/x.conf"


def judged(**changes: Any) -> Outcome:
    """The outcome for a host with other options for whom Ansible signs in as, or other facts."""
    seen, expected = healthy()
    seen["logins"]["entry"]["options"].update(changes.pop("options", {}))
    expected.update(known_jobs=changes.pop("known", []))
    seen["logins"].update(changes)
    return logins.judge(Facts(seen, expected))


def test_a_change_that_would_lock_the_administrator_out_is_not_to_be_reloaded() -> None:
    found = judged(unread=[FILE], options={"denyusers": ["root"]})
    assert found.verdict == FAIL
    assert "sshd will not let root in any more once it is reloaded" in found.measured
    assert f"{FILE} said before it was changed: do not restart it before it would let root in" in found.measured


def test_a_change_that_sshd_cannot_read_is_not_to_be_reloaded() -> None:
    seen = healthy()[0]["logins"]
    found = judged(unread=[FILE], entry={**seen["entry"], "options": {}, "error": "line 4: Bad option"})
    assert "see sshd -t: line 4: Bad option" in found.measured
    assert found.measured.endswith("do not restart it before sshd -t says nothing")


def test_another_change_is_to_be_reloaded() -> None:
    found = judged(unread=[FILE])
    assert found.measured == f"sshd goes by what {FILE} said before it was changed: sshd -t && systemctl reload ssh"


def test_an_error_is_told_once_whoever_is_asked_for() -> None:
    seen = healthy()[0]["logins"]
    ssh = {name: {**one, "error": "line 4: x"} for name, one in seen["ssh"].items()}
    assert judged(ssh=ssh, entry={**seen["entry"], "error": "line 4: x"}).measured.count("line 4: x") == 1


def test_root_who_needs_a_key_anyway_cannot_be_guessed() -> None:
    assert judged(passwords=["root"]).verdict == PASS


@pytest.mark.parametrize("known", ["/x", "pam_exec.so"])
def test_a_program_that_is_known_may_be_given_passwords(known: str) -> None:
    executing = [{"path": "/etc/pam.d/common-auth", "line": "pam_exec.so expose_authtok /x"}]
    assert judged(executing=executing).verdict == FAIL
    assert judged(executing=executing, known=[known]).verdict == PASS
