# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import stock


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(stock, "_PATH", f"{tmp_path}/{{}}-stock.json")
    return tmp_path / "school-stock.json"


def test_stock_is_read_by_check(kept: Path) -> None:
    assert stock.read("school") is None
    kept.write_text('{"logins": ["a key opens root"]}\n')
    assert stock.read("school") == {"logins": ["a key opens root"]}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"logins": 1}'])
def test_a_damaged_one_is_no_reason_to_take_stock_anew(kept: Path, text: str) -> None:
    kept.write_text(text)
    with pytest.raises(FirstbellError, match=r"school-stock\.json cannot be read"):
        stock.read("school")
