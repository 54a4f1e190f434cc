# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a verification in a real browser: by day and by night, on a phone, on paper, and by axe-core."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import html

from integration.browser import open_page, violations
from unit.reports import told

PHONE = 360
NIGHT = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(told(failing=True))


def named(found: list[dict[str, Any]]) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("options", [(), (NIGHT,)], ids=["day", "night"])
def test_everybody_can_read_it(page: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert named(violations(page, tmp_path, *options)) == []


def test_a_page_that_not_everybody_can_read_is_found(page: str, tmp_path: Path) -> None:
    pale = page.replace("--soft: #4a5361", "--soft: #c9ced6").replace(' lang="en"', "")
    assert {"color-contrast", "html-has-lang"} <= {one["id"] for one in violations(pale, tmp_path)}


def test_it_is_no_wider_than_a_phone(page: str, tmp_path: Path) -> None:
    asked = tmp_path / "width.html"
    # The window itself cannot be as narrow as a phone.
    frame = f'<iframe style="width:{PHONE}px;height:800px;border:0" src="report.html"></iframe>'
    script = (
        "<script>onload = () => { const page = document.querySelector('iframe').contentDocument.documentElement;"
        " document.title = page.scrollWidth; }</script>"
    )
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    asked.write_text(f"<!doctype html><title>x</title>{frame}{script}", encoding="utf-8")
    shown = open_page(asked, "--dump-dom", "--allow-file-access-from-files")
    found = re.search(r"<title>(\d+)</title>", shown)
    assert found
    assert int(found[1]) <= PHONE


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    assert not re.findall(r"(?:src|href)=[\"']?(?!#|data:)[^\"' >]+|url\(|@import|fetch\(", page)


def test_on_paper_what_failed_is_shown_whole_and_the_rest_in_a_line(page: str, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(page, encoding="utf-8")
    paper = tmp_path / "report.pdf"
    open_page(report, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 3 <= pages <= 14
