# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: counts, changes, JUnit, metrics, and a page that everybody can read."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import html, report
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.answers import QUESTIONS, answers, worse
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS, TOPICS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.charts import seconds
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.style import STYLE

from unit.healthy_stack import NOW, results
from unit.reports import measures, told

VOID = {"meta", "link", "br"}
EVIL = "<script>alert('x')</script> & \"quotes\" \x00\x1b[0m"


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


def test_what_has_one_cause_is_one_line() -> None:
    found = results("fail", measured="not seen", reason="no engine", fix="start it")
    found[1].update(verdict="fail", measured="not seen", reason="no engine", fix="start it")
    found[2].update(verdict="fail", measured="not seen", reason="no engine", fix="start it", host="bell2")
    found[3].update(verdict="fail", measured="2 of 6", reason="", fix="start it")
    found[4].update(verdict="fail", measured="2 of 6", reason="", fix="start it")
    lines = report.summary(told(found))[1:]
    assert len(lines) == 4
    (together,) = [line for line in lines if "for the same reason" in line]
    other, one = (found[number]["id"] for number in (0, 1))  # by name
    assert f"{one} on bell1, and 1 more for the same reason ({other}): not seen (no engine)" in together


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
    assert 'firstbell_verify_timestamp_seconds{stack="school"} 1795400000\n' in text
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
        r"url\(|@import|https?://",
        re.sub(r"<(?:pre|dd|span class=soft)>.*?</(?:pre|dd|span)>", "", text, flags=re.DOTALL),
    )


def test_the_page_can_be_found_ones_way_in() -> None:
    found = page()
    assert found.named("html")[0][1]["lang"] == "en"
    assert [len(found.named(tag)) for tag in ("title", "header", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _attrs in found.named("h1", "h2", "h3")]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    ids = [attrs["id"] for _tag, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _tag, attrs in found.named("section", "svg", "figure"):
        assert attrs["aria-labelledby"] in ids
    for _tag, attrs in found.named("a"):
        assert str(attrs["href"]).removeprefix("#") in ids
    labelled = [attrs for _tag, attrs in found.named("table") if attrs.get("aria-labelledby") in ids]
    assert len(found.named("caption")) + len(labelled) == len(found.named("table"))
    assert all(attrs.get("scope") for _tag, attrs in found.named("th"))


def test_verdicts_are_words_and_not_colours_only() -> None:
    found = page()
    said = [text for text in found.texts["summary"] if re.match("Failed|Not checked|Passed", text)]
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
@pytest.mark.parametrize("at", [0, 1], ids=["day", "night"])
def test_text_can_be_read(name: str, behind: str, at: int) -> None:
    pairs = re.findall(r"--([a-z]+): (#[0-9a-f]{6})", STYLE)
    colours = dict(pairs[at * len(pairs) // 2 :][: len(pairs) // 2])
    assert _contrast(colours[name], colours[behind]) >= 4.5
    assert _contrast(colours["bar"], colours["paper"]) >= 3


def test_history_and_changes_are_told() -> None:
    former = {"time": "2026-11-22T02:00:00Z", "counts": {"fail": 2, "warn": 0, "skipped": 1, "pass": 70}}
    now = {"time": "", "counts": {"fail": 0, "warn": 0, "skipped": 1, "pass": 72}}
    change = {"id": "one", "host": "bell1", "title": "It is well", "before": "pass", "after": "fail"}
    found = page(history=[former, now], changes=[change])
    parts = [attrs["class"] for _tag, attrs in found.named("rect") if str(attrs["class"]).startswith("part")]
    assert parts == ["part pass", "part skipped", "part fail", "part pass", "part skipped"]
    assert any("2026-11-22 02:00:00 UTC" in text for text in found.texts["th"])
    assert any("It is well (bell1)" in text for text in found.texts["th"])


def test_a_part_says_that_it_is_one() -> None:
    assert "Only a part of the checklist" in html.render(told(results(), partial=True))


@pytest.mark.parametrize(
    ("verdict", "said"),
    [("pass", "Everything that was checked is as it should be"), ("warn", "should be looked at"), ("fail", "1 of ")],
)
def test_the_first_sentence_is_the_verdict(verdict: str, said: str) -> None:
    assert said in html.render(told(results(verdict)))


@pytest.mark.parametrize(
    ("value", "text"), [(0.049, "0.05 s"), (1.26, "1.3 s"), (9.96, "10.0 s"), (48.2, "48 s"), (1800, "30 min")]
)
def test_durations_are_said_as_a_person_says_them(value: float, text: str) -> None:
    assert seconds(value) == text


def test_a_director_gets_an_answer_to_each_question() -> None:
    found = answers(told())
    assert [one.verdict for one in found] == ["pass"] * 6
    texts = " ".join(one.text for one in found)
    assert (
        "800 users at once were tried 30 days ago: 95 of 100 answers came within 0.52 s. The host carries 1100."
        in texts
    )
    assert "Visitors waited 48 s at most, and nothing of what was saved got lost." in texts
    assert "work of the last 2.5 s would have been lost, and the data was back after 9.4 s" in texts


def test_what_was_never_tried_is_no_yes() -> None:
    found = results()
    next(one for one in found if one["id"] == "failover-drill")["verdict"] = "skipped"
    answer = next(one for one in answers(told(found, measures={})) if "come back by itself" in one.question)
    assert (answer.verdict, answer.text) == ("skipped", "It was not tried yet.")


def test_a_question_whose_checks_were_all_left_out_has_no_answer() -> None:
    found = [one for one in results() if one["id"] in ("alert-drill", "site-answers")]
    next(one for one in found if one["id"] == "alert-drill")["verdict"] = "skipped"
    assert [(one.verdict, one.question[:10]) for one in answers(told(found, measures={}))] == [
        ("pass", "Can everyb"),
        ("skipped", "Is somebod"),
    ]


def test_a_rehearsal_of_a_part_is_not_compared_with_a_whole_one() -> None:
    told_ = measures()
    told_["kept"]["failover_drill"][-1]["measured"]["services_left_out"] = 12
    assert not any("failed part" in text for text in worse(told(measures=told_)))


def test_a_failed_check_is_named_in_the_answer() -> None:
    found = results()
    next(one for one in found if one["id"] == "open-ports")["verdict"] = "fail"
    answer = next(one for one in answers(told(found)) if "strangers" in one.question)
    assert answer.verdict == "fail"
    assert "Not proven: From outside, only the site" in answer.text


def test_what_got_worse_is_told_in_words() -> None:
    assert [text.partition(";")[0] for text in worse(told())] == [
        "95 of 100 answers came within 0.52 s",
        "A failed part was missed for 48 s",
        "A restore took 9.4 s",
    ]
    assert worse(told(measures={})) == []


def test_what_was_measured_is_drawn_and_what_is_over_its_target_said() -> None:
    found = page()
    assert len(found.named("svg")) == 6
    assert any("reading a PDF, 95 of 100 answers" in text for text in found.texts["text"])
    assert any(text == "1.3 s, over 1.0 s" for text in found.texts["text"])
    assert len(page(measures={}).named("svg")) == 1


def test_a_damaged_record_is_not_drawn() -> None:
    told_ = measures()
    told_["kept"] = {kind: [{"time": NOW, "problem": "it cannot be read"}] for kind in told_["kept"]}
    assert len(page(measures=told_).named("svg")) == 2
    assert report.measures({"a": {}, "b": {"facts": {"measures": told_}}}) == told_
    assert report.measures({"a": {"facts": {}}}) == {}


def test_the_questions_name_checks_that_there_are() -> None:
    named = {name for _question, _topic, ids in QUESTIONS for name in ids}
    assert named <= {one.id for one in CHECKS}
