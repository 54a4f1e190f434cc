# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import redis_save
from ansible_collections.firstbell.stack.plugins.module_utils._core.redis_save import Persistence

from unit.errors import error_of

IDLE = Persistence(saves=4, saving=False, failed=False, loading=False)
INFO = "OK\n# Persistence\nloading:0\r\nrdb_bgsave_in_progress:1\r\nrdb_last_bgsave_status:ok\r\nrdb_saves:7\r\n"
READ = "[offset 0] Checking RDB file\n[offset 176] \\o/ RDB looks OK! \\o/\n[info] 12 keys read\n[info] 5 expires\n"


def test_how_saving_stands() -> None:
    assert redis_save.persistence(INFO) == Persistence(saves=7, saving=True, failed=False, loading=False)
    assert redis_save.persistence(f"{INFO}aof_enabled:1\r\n").appends


def test_what_redis_starts_from() -> None:
    base, history = "file a.2.base.rdb seq 2 type b\n", "file a.1.incr.aof seq 1 type h\n"
    manifest = f"{base}{history}file a.2.incr.aof seq 2 type i startoffset 8\n"
    assert redis_save.named(manifest) == ["a.2.base.rdb", "a.2.incr.aof"]
    assert redis_save.named(redis_save.AOF_MANIFEST_TEXT) == [redis_save.AOF_BASE]


@pytest.mark.parametrize(
    "reply", ["", "WRONGPASS invalid username-password pair", "OK\nNOPERM this user has no permissions"]
)
def test_an_answer_that_does_not_tell_it(reply: str) -> None:
    error = str(error_of(redis_save.persistence, reply))
    assert (reply.rsplit("\n", maxsplit=1)[-1] or "nothing") in error


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Persistence(4, True, False, False), False),
        (Persistence(4, False, False, False), False),
        # Counted when it begins: the file is still the old one.
        (Persistence(5, True, False, False), False),
        (Persistence(5, False, False, False), True),
        (Persistence(6, True, False, False), False),
    ],
)
def test_whether_the_dump_is_written(now: Persistence, expected: bool) -> None:
    assert redis_save.has_saved(IDLE, now) is expected


def test_a_dump_that_failed() -> None:
    assert "disk" in str(error_of(redis_save.has_saved, IDLE, Persistence(5, False, True, False)))
    # The one before had failed: that says nothing about this one, which has not begun or not ended.
    earlier = Persistence(4, False, True, False)
    assert redis_save.has_saved(earlier, earlier) is False
    assert redis_save.has_saved(earlier, Persistence(5, True, True, False)) is False
    assert redis_save.has_saved(earlier, Persistence(5, False, False, False)) is True


def test_what_a_dump_holds() -> None:
    dump = redis_save.checked(0, READ)
    assert (dump.keys, dump.expires) == (12, 5)


@pytest.mark.parametrize(("code", "out"), [(1, READ), (0, "--- RDB ERROR DETECTED ---\nwrong checksum"), (0, "")])
def test_a_damaged_dump(code: int, out: str) -> None:
    assert "damaged" in str(error_of(redis_save.checked, code, out))


def test_the_password_goes_through_standard_input() -> None:
    assert redis_save.commands("secret", "PING") == "AUTH backup secret\nPING\n"
    assert "neither spaces" in str(error_of(redis_save.commands, "two words", "PING"))
