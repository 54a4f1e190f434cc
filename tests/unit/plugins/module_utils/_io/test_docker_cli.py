# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine gets wrong now and then is tried again, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import docker_cli, system
from ansible_collections.firstbell.stack.plugins.module_utils._io.system import CommandError, Result

ARGV = ["docker", "run", "--detach", "--name", "school-one", "image"]
NOT_STARTED = Result(
    125, "", "failed to create shim task: OCI runtime create failed: runc create failed: reset by peer"
)
EXEC = ["docker", "exec", "school-one", "redis-cli"]
NOT_BEGUN = Result(
    126, "", "OCI runtime exec failed: exec failed: unable to start container process: read init-p: reset"
)
UNKNOWN = Result(125, "", "docker: invalid reference format")


class Engine:
    """Says one thing after the other."""

    def __init__(self, said: Sequence[Result]) -> None:
        self.said, self.runs, self.removed = list(said), 0, 0

    def run(self, argv: Sequence[str], check: bool = True, **_more: Any) -> Result:
        if argv[:2] == ["docker", "rm"]:
            assert argv[-1] == "school-one"
            self.removed += 1
            return Result(0, "", "")
        self.runs += 1
        result = self.said.pop(0)
        return system.succeeded(argv, result) if check else result


@pytest.mark.parametrize(
    ("said", "wanted", "runs"),
    [
        ([Result(0, "[]", "")], "[]", 1),
        ([Result(0, "", ""), Result(0, "\n", ""), Result(0, "[]", "")], "[]", 3),
        ([Result(0, "", "")] * 3, "", 3),
        ([Result(25, "", "no repository")], "", 1),
        ([NOT_STARTED, Result(0, "", ""), Result(0, "[]", "")], "[]", 3),
    ],
)
def test_an_answer_that_the_engine_has_lost_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, said: list[Result], wanted: str, runs: int
) -> None:
    engine = Engine(said)
    monkeypatch.setattr(system, "run", engine.run)
    assert docker_cli.run(ARGV, check=False, answers=True).out == wanted
    assert engine.runs == runs


@pytest.mark.parametrize(
    ("said", "code", "runs"),
    [
        ([Result(0, "", "")], 0, 1),
        ([NOT_STARTED, NOT_STARTED, Result(0, "", "")], 0, 3),
        ([NOT_STARTED] * 3, 125, 3),
        ([UNKNOWN], 125, 1),
        ([Result(1, "", "OCI runtime create failed, says a test")], 1, 1),
    ],
)
def test_a_container_that_did_not_start_is_started_again(
    monkeypatch: pytest.MonkeyPatch, said: list[Result], code: int, runs: int
) -> None:
    engine = Engine(said)
    monkeypatch.setattr(system, "run", engine.run)
    assert docker_cli.run(ARGV, check=False).code == code
    assert (engine.runs, engine.removed) == (runs, min(runs - 1, 2))


@pytest.mark.parametrize("said", [[NOT_STARTED] * 3, [UNKNOWN]])
def test_what_still_fails_is_an_error(monkeypatch: pytest.MonkeyPatch, said: list[Result]) -> None:
    monkeypatch.setattr(system, "run", Engine(said).run)
    with pytest.raises(CommandError, match="failed with exit code 125"):
        docker_cli.run(ARGV)


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        ([NOT_BEGUN, Result(0, "PONG", "")], 2),
        ([Result(1, "", "OCI runtime exec failed, says a test")], 1),
        ([Result(126, "", "permission denied")], 1),
    ],
)
def test_a_program_that_has_not_begun_is_begun_again(
    monkeypatch: pytest.MonkeyPatch, said: list[Result], runs: int
) -> None:
    engine = Engine(said)
    monkeypatch.setattr(system, "run", engine.run)
    docker_cli.run(EXEC, check=False)
    assert (engine.runs, engine.removed) == (runs, 0)
