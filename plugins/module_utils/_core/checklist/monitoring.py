# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether everything is measured, judged, and somebody is told."""

from __future__ import annotations

from ..units import MB
from .model import Facts, Judge, Outcome, check, failed, none_of, passed, skipped, warned
from .services import SITE, differences

_QUERY = (
    'docker exec "$(docker ps -q -f name={stack}_prometheus)" promtool query instant '
    "--http.config.file /etc/firstbell/web/client.yml http://localhost:9090/prometheus "
)
_AMTOOL = (
    'docker exec "$(docker ps -q -f name={stack}_alertmanager)" amtool '
    "--http.config.file=/etc/firstbell/web/client.yml --alertmanager.url=http://localhost:9093"
)
WATCHDOG = "Watchdog"
#: They speak of the verification before this one, which ends them.
_OF_VERIFICATIONS = ("VerificationFailed", "VerificationOld", "VerificationMissing")
#: Of logs, two files of the queue.
_MOST_WAITING = 16 * MB


def _where_it_runs(judge: Judge) -> Judge:
    def judged(facts: Facts) -> Outcome:
        if not facts.expected["monitoring"]["enabled"]:
            return skipped("firstbell_monitoring is false")
        return judge(facts)

    return judged


@check(
    "monitoring-targets",
    "S14 S64 S67 S103",
    "monitoring",
    "Everything that should be measured answers",
    target="every target of Prometheus answered within two minutes, and each job has one",
    command=_QUERY + "'max_over_time(up[2m]) and up'",
    fix="Look at /prometheus/classic/targets why; docs/runbooks/prometheus.md#targetdown. " + SITE,
    needs="monitoring",
)
@_where_it_runs
def targets(facts: Facts) -> Outcome:
    up = facts.seen["monitoring"]["up"]
    problems = [f"{one['job']} at {one['instance']} has not answered for two minutes" for one in up if not one["up"]]
    missing = sorted(set(facts.expected["monitoring"]["jobs"]) - {one["job"] for one in up})
    problems += [f"nothing of the job {job} is measured" for job in missing]
    lines = "\n".join(sorted(f"{one['job']} {one['instance']}: {'up' if one['up'] else 'down'}" for one in up))
    return none_of(problems, f"{len(up)} targets up", lines)


@check(
    "alert-rules",
    "S70 S71",
    "monitoring",
    "The rules of the alerts are loaded, and judged without an error",
    target="the rules that the playbook would write, all of them loaded, and no failed evaluation within ten minutes",
    command=_QUERY + "'sum(prometheus_rule_group_rules)'",
    fix=SITE,
    needs="monitoring files",
)
@_where_it_runs
def rules(facts: Facts) -> Outcome:
    seen = facts.seen["monitoring"]
    edited = differences(facts).get(facts.expected["monitoring"]["rules_file"])
    problems = [] if edited is None else [f"the rules are not the playbook's: {(edited or ['there is no file'])[0]}"]
    if seen["rules"] != seen["written"]:
        problems.append(f"{seen['rules']} rules are loaded, and {seen['written']} are in the file")
    if not seen["written"]:
        problems.append("there is no rule")
    problems += [
        f"{name} has not read its configuration since it was changed, or refuses it; see its log: "
        f"docker service logs {facts.stack}_{name}"
        for name in seen["unread"]
    ]
    if seen["failures"]:
        problems.append(f"{seen['failures']} evaluations failed within ten minutes")
    return none_of(problems, f"{seen['rules']} rules loaded")


@check(
    "alerts-arrive",
    "S70 S71 S103",
    "monitoring",
    "An alert finds its way, and somebody is told",
    target="the heartbeat fires, Alertmanager takes it, no notification failed in ten minutes, no silence is in force "
    "or to come, no alert comes from elsewhere, there is a receiver, and the mail server would take a mail",
    command=_QUERY + "'ALERTS{alertname=\"Watchdog\"}'",
    fix="Set monitoring_smtp_host or monitoring_alert_webhook_url; docs/operations.md, monitoring and alerts. " + SITE,
    needs="monitoring",
)
@_where_it_runs
def alerts_arrive(facts: Facts) -> Outcome:
    seen, wanted = facts.seen["monitoring"], facts.expected["monitoring"]
    problems = []
    if WATCHDOG not in {alert["name"] for alert in seen["firing"]}:
        problems.append(f"{WATCHDOG}, which fires all the time, does not")
    if not seen["alertmanagers"]:
        problems.append("Prometheus knows no Alertmanager")
    if seen["notifications_failed"]:
        problems.append(f"{seen['notifications_failed']} notifications failed within ten minutes")
    if seen["mail_refused"]:
        problems.append(f"{wanted['mail']['host']} would not take a mail: {seen['mail_refused']}")
    if seen["invented"] and not problems:
        names = ", ".join(seen["invented"])
        said = f"Prometheus has not fired {names}, which Alertmanager has from somebody else and may hold others back"
        return failed(said, fix=f"docker service update --force {facts.stack}_alertmanager  # it forgets what it has")
    if seen["silences"] and not problems:
        silenced = [
            f"what has {one['covers']} reaches nobody {f'from {since} ' if (since := one['since']) else ''}"
            f"until {one['until']} UTC, by a silence of {one['by']}"
            for one in seen["silences"]
        ]
        ids = " ".join(one["id"] for one in seen["silences"])
        return none_of(silenced, "", fix=f"{_AMTOOL}{wanted['alertmanager_path']} silence expire {ids}")
    if problems or wanted["receivers"]:
        return none_of(problems, "the heartbeat reaches Alertmanager, no notification failed")
    return warned("nobody is told: there is neither a mail server nor a webhook")


@check(
    "log-shipping",
    "S69",
    "monitoring",
    "Logs reach the central server",
    target="what ships them runs, has a connection, and less than 16 MB wait for the server",
    command="systemctl status {stack}-logs; ls -l /var/lib/{stack}-logs",
    fix="journalctl -u {stack}-logs says what the server refuses. " + SITE,
    needs="logs",
    everywhere=True,
)
def log_shipping(facts: Facts) -> Outcome:
    wanted, seen = facts.expected["logs"], facts.seen["logs"]
    if not wanted["enabled"]:
        return skipped("logs_server is not set: each host keeps its own")
    problems = []
    if seen["active"] != "active":
        problems.append(f"{wanted['unit']} does not run")
    elif not seen["connected"]:
        problems.append(f"there is no connection to {wanted['server']}")
    if seen["waiting_bytes"] > _MOST_WAITING:
        problems.append(f"{seen['waiting_bytes'] / MB:.0f} MB of logs wait for {wanted['server']}")
    return none_of(problems, f"connected to {wanted['server']}, {seen['waiting_bytes'] / MB:.1f} MB wait")


@check(
    "alerts-firing",
    "S70 S71",
    "monitoring",
    "Nothing is wrong that somebody has to be woken for",
    target="no alert of severity page or warning fires",
    command=_QUERY + "'ALERTS{alertstate=\"firing\"}'",
    fix="Do what the alert's section of docs/runbooks says",
    needs="monitoring",
)
@_where_it_runs
def alerts_firing(facts: Facts) -> Outcome:
    firing = [
        alert
        for alert in facts.seen["monitoring"]["firing"]
        if alert["severity"] in ("page", "warning") and alert["name"] not in _OF_VERIFICATIONS
    ]
    lines = "\n".join(f"{alert['severity']} {alert['name']}: {alert['about']}" for alert in firing)
    if not firing:
        return passed("none fires")
    # What an alert tells of may be over: the other checks say what is wrong now.
    return warned(", ".join(sorted({alert["name"] for alert in firing})) + " fires", lines)
