# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: counts, changes, JUnit, metrics, and a page that everybody can read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import html, report
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS, TOPICS

from unit.healthy_stack import results

VOID = {"meta", "link", "br"}
EVIL = "<script>alert('x')</script> & \"quotes\" \x00\x1b[0m"


def told(found: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "stack": "school",
        "domain": "school.org",
        "profile": "small",
        "partial": False,
        "time": "2026-11-23T02:00:00Z",
        "ended": 1795399200.5,
        "seconds": 12.34,
        "counts": report.counts(found),
        "changes": report.changes(None, found),
        "history": [{"time": "", "counts": report.counts(found)}],
        "results": report.worst_first(found),
        **more,
    }


def test_results_of_all_hosts_come_together() -> None:
    merged = report.merge({"bell1": {"results": results()}, "bell2": {"results": results()}})
    assert len(merged) == 2 * len(CHECKS)


@pytest.mark.parametrize("answer", [{}, {"results": []}, {"unreachable": True, "msg": "no route"}])
def test_a_host_without_results_has_failed(answer: dict[str, Any]) -> None:
    merged = report.merge({"bell1": {"results": results()}, "bell2": answer})
    assert report.counts(merged)["fail"] == 1
    assert merged[-1]["reason"] == answer.get("msg", "it was not reached")


def test_no_host_at_all_has_failed() -> None:
    assert report.counts(report.merge({}))["fail"] == 1


def test_what_got_worse_comes_first() -> None:
    before, after = results(), results()
    before[1]["verdict"], after[2]["verdict"] = "fail", "warn"
    changes = report.changes({"results": before}, after)
    assert [(one["before"], one["after"]) for one in changes] == [("pass", "warn"), ("fail", "pass")]


def test_the_worst_of_a_topic_comes_first() -> None:
    found = results()
    found[3]["verdict"] = "fail"
    assert report.worst_first(found)[0]["verdict"] == "fail"


def test_the_summary_names_what_to_do() -> None:
    lines = report.summary(told(results("fail", measured="2 of 6", reason="why", fix="make site")))
    assert lines[0].endswith("in 12 s")
    assert "1 failed" in lines[0]
    assert lines[1].startswith("FAIL ")
    assert "2 of 6 (why). Mend it: make site" in lines[1]


def test_junit_counts_like_the_report() -> None:
    found = results("fail", measured=EVIL)
    found[1].update(verdict="skipped", reason="no store")
    root = ElementTree.fromstring(report.junit(told(found)))
    assert len(root.findall(".//testcase")) == len(CHECKS)
    assert [one.attrib["message"] for one in root.findall(".//skipped")] == ["no store"]
    (failure,) = root.findall(".//failure")
    assert failure.attrib["message"].startswith("<script>alert")
    assert [suite.attrib["name"] for suite in root] == list(TOPICS.values())


def test_metrics_have_time_and_counts() -> None:
    text = report.metrics(told(results("fail")))
    assert 'firstbell_verify_timestamp_seconds{stack="school"} 1795399200.5\n' in text
    assert 'firstbell_verify_checks{stack="school",verdict="fail"} 1\n' in text
    assert f'firstbell_verify_checks{{stack="school",verdict="pass"}} {len(CHECKS) - 1}\n' in text


class Page(HTMLParser):
    """What a browser's tree would have, and what must not be there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes something else"

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def named(self, *tags: str) -> list[tuple[str, dict[str, str | None]]]:
        return [one for one in self.tags if one[0] in tags]


def page(**more: Any) -> Page:
    found = Page(html.render(told(results("fail", measured=EVIL, reason=EVIL), **more)))
    assert found.open == []
    return found


def test_what_comes_from_a_host_is_only_text() -> None:
    found = page()
    assert len(found.named("script")) == 1
    assert any("alert" in text for text in found.texts["dd"])


def test_the_page_needs_nothing_else() -> None:
    text = html.render(told(results()))
    assert not re.findall(r"(?:src|href)=[\"']?(?!#|data:)[a-z]+", text)
    assert not re.findall(
        r"url\(|@import|https?://", re.sub(r"<(?:pre|dd)>.*?</(?:pre|dd)>", "", text, flags=re.DOTALL)
    )


def test_the_page_can_be_found_ones_way_in() -> None:
    found = page()
    assert found.named("html")[0][1]["lang"] == "en"
    assert [len(found.named(tag)) for tag in ("title", "header", "main", "footer", "h1")] == [2, 1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _attrs in found.named("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    ids = [attrs["id"] for _tag, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _tag, attrs in found.named("section", "svg"):
        assert attrs["aria-labelledby"] in ids
    for _tag, attrs in found.named("a"):
        assert str(attrs["href"]).removeprefix("#") in ids
    assert len(found.named("caption")) == len(found.named("table"))
    assert all(attrs.get("scope") for _tag, attrs in found.named("th"))


def test_verdicts_are_words_and_not_colours_only() -> None:
    found = page()
    said = [text for text in found.texts["article"] if re.search("Failed|Not checked|Passed", text)]
    assert len(said) == len(CHECKS)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["ink", "soft", "fail", "warn", "skipped", "pass"])
@pytest.mark.parametrize("behind", ["paper", "tint"])
def test_text_can_be_read(name: str, behind: str) -> None:
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", html.render(told(results()))))
    assert _contrast(colours[name], colours[behind]) >= 4.5


def test_history_and_changes_are_told() -> None:
    former = {"time": "2026-11-22T02:00:00Z", "counts": {"fail": 2, "warn": 0, "skipped": 1, "pass": 70}}
    now = {"time": "", "counts": {"fail": 0, "warn": 0, "skipped": 1, "pass": 72}}
    change = {"id": "one", "host": "bell1", "title": "It is well", "before": "pass", "after": "fail"}
    found = page(history=[former, now], changes=[change])
    assert len(found.named("rect")) == 8
    assert any("2026-11-22 02:00:00 UTC: 2 failed" in text for text in found.texts["title"])
    assert any("It is well (bell1)" in text for text in found.texts["th"])


def test_a_part_says_that_it_is_one() -> None:
    assert "Only a part of the checklist" in html.render(told(results(), partial=True))


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("pass", "Everything that was checked is as it should be"), ("warn", "should be looked at"), ("fail", "1 of ")],
)
def test_the_first_sentence_is_the_verdict(verdict: str, said: str) -> None:
    assert said in html.render(told(results(verdict)))
