# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that feed each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io import pipes

LARGE = "1234567\n" * 200_000


def test_the_last_one_is_heard(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text(LARGE, encoding="ascii")
    assert pipes.run([["cat", str(source)], ["cat"], ["wc", "-l"]]).strip() == "200000"


def test_a_file_is_only_its_owners(tmp_path: Path) -> None:
    target = tmp_path / "target"
    assert pipes.run([["echo", "x"], ["cat"]], output=str(target)) == ""
    assert target.read_text(encoding="ascii") == "x\n"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "commands", [[["false"], ["cat"]], [["echo", "x"], ["false"]], [["cat", "/nowhere"], ["cat"], ["cat"]]]
)
def test_all_must_succeed(commands: list[list[str]]) -> None:
    with pytest.raises(FirstbellError, match="ended with 1"):
        pipes.run(commands)


def test_one_that_stops_reading_is_no_deadlock() -> None:
    with pytest.raises(FirstbellError, match="yes ended with"):
        pipes.run([["yes"], ["head", "-n", "1"]])
