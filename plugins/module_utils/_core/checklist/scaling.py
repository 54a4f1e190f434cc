# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether replicas follow calendar and load, and the night's work is done."""

from __future__ import annotations

from datetime import datetime

from ..ages import ahead, is_young
from ..autoscaler import calendar
from ..errors import InputError
from .model import Facts, Judge, Outcome, check, failed, none_of, skipped, warned
from .services import SITE, services_of

_STATUS = "{stack}-autoscaler status"
_DAY = 86400.0
#: Nights that may go by without the work: it is not done while others are there.
_NIGHTS = 3


def _where_it_runs(judge: Judge) -> Judge:
    def judged(facts: Facts) -> Outcome:
        if not facts.expected["autoscaler"]["enabled"]:
            return skipped("firstbell_autoscaling is false")
        return judge(facts)

    return judged


@check(
    "autoscaler-decides",
    "S44 S49 S50 S52",
    "scaling",
    "The autoscaler decides, and what it orders is carried out, within bounds",
    target="a decision within a minute by usable metrics, between the calendar's bounds, and as many replicas ordered",
    command=_STATUS,
    fix="Read why: {stack}-autoscaler status; docker service logs {stack}_autoscaler. " + SITE,
    needs="scaling engine",
)
@_where_it_runs
def decides(facts: Facts) -> Outcome:
    seen = facts.seen["scaling"]
    line = seen["status"]
    if not line:
        return failed(f"no decision: {seen['said'] or 'the command says nothing'}")
    lines = "\n".join([f"{line['replicas']} replicas by {line['source']}", *line["reasons"]])
    has = (services_of(facts).get("app") or {"values": {"replicas": 0}})["values"]["replicas"] or 0
    problems = [f"not carried out: {line['problem']}"] if line["problem"] else []
    if line["source"] in ("hold", "fallback"):
        problems.append(f"no trigger has a usable metric: {line['source']}")
    if not line["minimum"] <= line["replicas"] <= facts.expected["autoscaler"]["most"]:
        problems.append(
            f"{line['replicas']} replicas are not between {line['minimum']} and {facts.expected['autoscaler']['most']}"
        )
    if has not in (line["replicas"], line["before"]):
        problems.append(f"the application has {has} replicas, and {line['replicas']} are ordered")
    if not problems and line["source"] in ("paused", "manual"):
        said = "paused by hand" if line["source"] == "paused" else f"{line['replicas']} replicas, by somebody's order"
        return warned(said, lines, fix=f"Let it decide again: {facts.stack}-autoscaler resume")
    return none_of(problems, f"{line['replicas']} replicas, decided by {line['source']}", lines)


@check(
    "autoscaler-calendar",
    "S44 S45 S46 S47 S48",
    "scaling",
    "The calendar is the planned one, and the present band is its",
    target="the calendar of the inventory on the host, and its band and bounds in the last decision",
    command=_STATUS,
    fix=SITE,
    needs="scaling",
)
@_where_it_runs
def follows(facts: Facts) -> Outcome:
    seen, expected = facts.seen["scaling"], facts.expected["autoscaler"]
    problems = [] if seen["calendar"] == expected["calendar"] else ["the calendar on the host is another one"]
    try:
        days = calendar.parse(expected["calendar"])
    except InputError as error:
        return failed(str(error))
    line = seen["status"]
    if not line:
        return none_of([*problems, "there is no decision to compare with"], "")
    window = days.ahead(line["at"], expected["lead"])
    high = min(window.maximum, expected["most"])
    wanted = (window.band, min(window.minimum, high), high)
    found = (line["band"], line["minimum"], line["maximum"])
    if found != wanted:
        problems.append(
            f"band {found[0]} with {found[1]} to {found[2]}, not {wanted[0]} with {wanted[1]} to {wanted[2]}"
        )
    when = datetime.fromtimestamp(line["at"], days.zone)
    return none_of(problems, f"{when:%H:%M %Z}: band {found[0]}, {found[1]} to {found[2]}", window.why)


@check(
    "night-work",
    "S51",
    "scaling",
    "What waits for the night is done at night",
    target=f"done within {_NIGHTS} nights, without an error",
    command="{stack}-night last; {stack}-night show",
    fix="Read why: journalctl --unit {stack}-night. By hand, while nobody is there: {stack}-night run --now",
    needs="scaling",
)
def night_work(facts: Facts) -> Outcome:
    if not facts.expected["night_work"]["enabled"]:
        return skipped("night_work_enabled is false")
    seen = facts.seen["scaling"]
    last, now = seen["night"], seen["now"]
    if not last:
        if is_young(now, seen["night_since"], 2 * _DAY):
            return skipped("it was installed within the last two days; the first night is to come")
        return failed("it was never done")
    lines = [f"{one['kind']} {one['what']}: {one['said']} ({one['why']})" for one in last["done"]]
    problems = list(last["failed"])
    problems += [f"the last time is {ahead(now, last['at'])}"] if ahead(now, last["at"]) else []
    age = (now - last["at"]) / _DAY
    if age > _NIGHTS:
        problems.append(f"not done for {age:.1f} days")
    if not problems and not last["complete"]:
        return warned(f"cut short: {last['stopped']}", "\n".join(lines))
    return none_of(problems, f"{len(lines)} done {age * 24:.0f} h ago", "\n".join(lines))
