# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be seen of the engine without one; the rest is in tests/integration."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_engine import EngineUnavailableError
from ansible_collections.firstbell.stack.plugins.module_utils._io import engine


def frame(kind: int, text: str) -> bytes:
    payload = text.encode()
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (frame(1, "out\n") + frame(2, "err\n"), "out\nerr\n"),
        (frame(1, "héll") + frame(1, "o\n"), "héllo\n"),
        (frame(3, "Error grabbing logs") + frame(1, "x"), "x"),
        (frame(1, "whole") + frame(1, "cut")[:-1], "wholecu"),
        (b"\x01\x00", ""),
    ],
)
def test_log_stream(content: bytes, text: str) -> None:
    assert engine._stream_text(content) == text


def test_no_engine() -> None:
    with pytest.raises(EngineUnavailableError, match="docker_host"):
        engine.DockerEngine("unix:///nonexistent/docker.sock")


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MISSING", "No module named 'docker'")
    with pytest.raises(EngineUnavailableError, match="python3-docker"):
        engine.DockerEngine()
