# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What application and edge suffer from, and what alerts tell beyond that. Causes stand before what they cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .diagnosis import BROKEN, SLOW, WAITING, WATCH, Facts, Finding, grown, joined, rule
from .words import count, duration, size

_TASKS = "docker service ps --no-trunc {stack}_"
_LOGS = "; docker service logs --since 10m {stack}_"

ANSWER = 2.0
#: HAProxy's averages are of so many answers; older than so many seconds they say nothing of now.
ANSWERS = 1024
OLD = 300.0
EVENT_LOOP = 0.2
HEAP = 0.92
LOOP_METRICS = ("nodejs_eventloop_lag_p99_seconds", "nodejs_eventloop_lag_seconds")
#: Pages of docs/runbooks that are called otherwise than the component of their alerts.
_PAGES = {"cache": "redis", "database": "postgres", "monitoring": "prometheus", "pool": "pgbouncer"}


@rule("app-silent", "app")
def app_silent(facts: Facts) -> Iterator[Finding]:
    replicas = facts.seen["app"]["replicas"]
    silent = [one for one in replicas if one["error"] or one["status"] >= 500]  # noqa: PLR2004 - HTTP
    if silent:
        said = silent[0]["error"] or f"it answers with status {silent[0]['status']}"
        yield Finding(
            BROKEN,
            f"{len(silent)} of {count(len(replicas), 'replica')} of the application "
            + ("does not answer" if len(silent) == 1 else "do not answer"),
            f"{silent[0]['name']}: {said}",
            _TASKS + "app" + _LOGS + "app",
            "app#appreplicadown",
            ("edge-down", "edge-errors", "edge-slow", "silent-site", "site-answer"),
        )


@rule("app-loop", "app")
def app_loop(facts: Facts) -> Iterator[Finding]:
    for one in facts.seen["app"]["replicas"]:
        metrics = one["metrics"]
        lag = next((metrics[name] for name in LOOP_METRICS if name in metrics), 0.0)
        if lag > EVENT_LOOP:
            yield Finding(
                SLOW,
                f"{one['name']} computes instead of answering: its event loop comes {duration(lag)} late",
                "every request of this replica waits for that",
                _LOGS[2:] + "app",
                "app#appeventloopblocked",
                WAITING,
            )
        used, most = metrics.get("nodejs_heap_size_used_bytes", 0.0), _heap_limit(facts)
        if most and used > HEAP * most:
            yield Finding(
                SLOW,
                f"{one['name']} has used {100 * used / most:.0f} % of its heap",
                f"{size(used)} of {size(most)}: it cleans up instead of answering, then ends",
                "docker stats --no-stream; then a larger limit of the app in firstbell_plan_overrides",
                "containers#containermemoryhigh",
            )


def _heap_limit(facts: Facts) -> float:
    """Three quarters of the container's limit, as the plan has it (C5)."""
    found = [
        one["memory_limit"] for one in facts.seen.get("engine", {}).get("containers", []) if one["service"] == "app"
    ]
    return 0.75 * max(found, default=0)


@rule("app-pool", "app")
def app_pool(facts: Facts) -> Iterator[Finding]:
    name = 'app_database_pool_connections{state="%s"}'
    waiting = {one["name"]: one["metrics"].get(name % "waiting", 0.0) for one in facts.seen["app"]["replicas"]}
    worst = max(waiting, key=lambda key: waiting[key], default="")
    if worst and waiting[worst]:
        yield Finding(
            SLOW,
            f"{waiting[worst]:.0f} requests of {worst} wait for a connection to the database",
            joined(f"{key}: {value:.0f} wait" for key, value in waiting.items()),
            _LOGS[2:] + "app",
            "app#apppoolwaiting",
            WAITING,
        )


@rule("app-slow", "app")
def app_slow(facts: Facts) -> Iterator[Finding]:
    slow = [one for one in facts.seen["app"]["replicas"] if one["seconds"] is not None and one["seconds"] > ANSWER / 2]
    if slow:
        worst = max(slow, key=lambda one: float(one["seconds"]))
        yield Finding(
            SLOW,
            f"{worst['name']} took {duration(worst['seconds'])} for its health path, which does next to nothing",
            "it was asked directly, past the edge",
            _LOGS[2:] + "app",
            "app#approuteslow",
            ("edge-slow", "site-answer"),
        )


def _row(rows: list[Mapping[str, str]], proxy: str, server: str) -> Mapping[str, str]:
    return next((row for row in rows if row["pxname"] == proxy and row["svname"] == server), {})


def _number(row: Mapping[str, str], name: str) -> float:
    return float(row.get(name) or 0)


@rule("edge-down", "edge")
def edge_down(facts: Facts) -> Iterator[Finding]:
    backend = _row(facts.seen["edge"]["rows"], "app", "BACKEND")
    # Its status is that of the server without a check, which is asked while no replica passes it.
    if backend and not _number(backend, "act"):
        yield Finding(
            BROKEN,
            "No replica of the application passes the check of HAProxy",
            "it then asks any container of the application that it finds; if none answers, visitors see an error page",
            _TASKS + "app" + _LOGS + "app",
            "app#appdown",
            ("edge-errors", "silent-site", "site-answer"),
        )


@rule("edge-queue", "edge")
def edge_queue(facts: Facts) -> Iterator[Finding]:
    backend = _row(facts.seen["edge"]["rows"], "app", "BACKEND")
    before = _row(facts.before.get("edge", {}).get("rows", []), "app", "BACKEND")
    waiting, waited = _number(backend, "qcur"), _number(before, "qcur")
    if waiting and waited:
        yield Finding(
            SLOW,
            f"{waiting:.0f} requests wait at the edge for a replica",
            f"{waited:.0f} some seconds before; on average they wait {_number(backend, 'qtime') / 1000:.2f} s",
            "docker service ps {stack}_app; then more replicas",
            "edge#edgequeueing",
            ("edge-slow", "site-answer"),
        )


@rule("edge-errors", "edge")
def edge_errors(facts: Facts) -> Iterator[Finding]:
    after = _row(facts.seen["edge"]["rows"], "site", "FRONTEND")
    before = _row(facts.before.get("edge", {}).get("rows", []), "site", "FRONTEND")
    if not before:
        return
    requests, errors = grown(after, before, "req_tot"), grown(after, before, "hrsp_5xx")
    if errors and errors >= 0.01 * requests:
        yield Finding(
            BROKEN if errors >= 0.05 * requests else SLOW,
            f"{errors:.0f} of {requests:.0f} requests were answered with a server error",
            f"within {duration(facts.seconds['edge'])}, as HAProxy counts",
            _LOGS[2:] + "app",
            "edge#siteerrorrate",
        )


@rule("edge-slow", "edge")
def edge_slow(facts: Facts) -> Iterator[Finding]:
    backend = _row(facts.seen["edge"]["rows"], "app", "BACKEND")
    before = _row(facts.before.get("edge", {}).get("rows", []), "app", "BACKEND")
    seconds = _number(backend, "rtime") / 1000
    # The average is of the last 1024 answers: on a quiet site it is a story of hours ago.
    fresh = sum(grown(backend, before, f"hrsp_{kind}xx") for kind in range(2, 6)) if before else 0.0
    age = ANSWERS * facts.seconds["edge"] / fresh if fresh else OLD
    if seconds > ANSWER and age < OLD:
        yield Finding(
            SLOW,
            f"An answer of the application takes {duration(seconds)} on average",
            f"of its last {ANSWERS} answers, at this rate those of {duration(age)};"
            f" connecting {_number(backend, 'ctime') / 1000:.2f} s, waiting {_number(backend, 'qtime') / 1000:.2f} s",
            _LOGS[2:] + "app",
            "edge#siteslow",
        )


@rule("site-answer", "site")
def site_answer(facts: Facts) -> Iterator[Finding]:
    """What a visitor gets of nginx, asked on this host: past name, published port and firewall."""
    site = facts.seen["site"]
    if site["refused"]:
        yield Finding(
            BROKEN if site["matters"] else WATCH,
            "The certificate of the site is refused"
            if site["matters"]
            else "This host does not know who signed the certificate of the site",
            f"as {site['domain']}: {site['refused']}"
            + ("" if site["matters"] else "; a browser that does not know either shows a warning instead of the site"),
            "openssl x509 -noout -subject -issuer -enddate -in /opt/{stack}/nginx/certificate/site.pem;"
            " docs/operations.md, Certificates",
            "edge#sitedown",
        )
    if site["status"] >= 500:  # noqa: PLR2004 - HTTP
        yield Finding(
            BROKEN,
            f"The site answers with status {site['status']}",
            f"nginx was asked for {site['path']}",
            "docker service logs --since 5m {stack}_nginx 2>&1 | tail" + _LOGS + "app",
            "edge#sitedown",
        )
    elif site["seconds"] > ANSWER:
        yield Finding(
            SLOW,
            f"The site takes {duration(site['seconds'])} to answer",
            f"nginx was asked for {site['path']}",
            _LOGS[2:] + "app",
            "edge#siteslow",
        )


@rule("alerts", "prometheus")
def alerts(facts: Facts) -> Iterator[Finding]:
    """What fires and no rule above knows of: they look at this moment, alerts at the last minutes.

    One that wakes somebody is no smaller here.
    """
    firing: dict[str, dict[str, Any]] = {}
    for labels in facts.seen["prometheus"]["firing"]:
        firing.setdefault(labels["alertname"], labels)
    for name, labels in sorted(firing.items()):
        topic = labels.get("component", "")
        yield Finding(
            BROKEN if labels.get("severity") == "page" else WATCH,
            f"The alert {name} fires",
            ", ".join(
                f"{key} {labels[key]}" for key in ("instance", "name", "service", "device", "route") if labels.get(key)
            )
            or "it says no more",
            "see /prometheus/classic/alerts, docs/operations.md",
            f"{_PAGES.get(topic, topic)}#{name.lower()}" if topic else "",
            covers=(name,),
        )
    for labels in facts.seen["prometheus"]["down"]:
        yield Finding(
            WATCH,
            f"Prometheus gets no answer from {labels.get('job')} at {labels.get('instance')}",
            "for two minutes or longer",
            "see /prometheus/classic/targets, docs/operations.md",
            "prometheus#targetdown",
        )
