# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one swarm service to what its options say: look, plan, write, wait, reload.

The engine, the files of the host and the clock are handed in. In check mode the
same plan is made, and nothing that writes is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable

from .convergence import Observation, Outcome, Waiter, has_ended, nanoseconds
from .errors import FirstbellError
from .redact import secret_values
from .service_diff import Change, changed_options, changes_between, shown_diff
from .service_engine import ConfigFiles, ConflictError, Engine, ServiceError
from .service_failure import explain
from .service_options import Canonical, Wanted, wanted_service
from .service_spec import (
    DIGEST_LABEL,
    KEY_LABEL,
    OWNER_LABEL,
    actual_values,
    digest,
    service_spec,
)

#: Another writer may get in between reading and writing; after so many times somebody is at it all the time.
_ATTEMPTS = 5
_SETTLE_AFTER_SIGNAL = 0.5


@dataclass(frozen=True)
class Run:
    """The options as Ansible hands them over, and the means to fulfil them."""

    options: Mapping[str, Any]
    engine: Engine
    files: ConfigFiles
    check_mode: bool
    monotonic: Callable[[], float]
    now: Callable[[], float]
    sleep: Callable[[float], None]

    def present(self) -> dict[str, Any]:
        """Create or update the service, wait for it and reload its configuration."""
        plan = self._plan()
        before = self._tasks_before(plan.service)
        if plan.changes and not self.check_mode:
            plan = self._write(plan)
        result = plan.result()
        if self.check_mode:
            result.update(self._reload(plan.wanted.name, plan.service, would_replace=plan.replaces_tasks))
        else:
            result.update(self._finish(plan, before, result))
        result["changed"] = bool(plan.changes) or result["reloaded"]
        return result

    def absent(self) -> dict[str, Any]:
        """Remove the service and its secrets, and wait until its containers are gone."""
        name = self.options["name"]
        service = self.engine.service(name)
        secrets = [secret for secret in self.engine.secrets() if _belongs_to(secret, name)]
        changes = []
        if service is not None:
            changes.append(Change("state", "present", "absent"))
        if secrets:
            changes.append(Change("secrets", None, None))
        if not self.check_mode:
            if service is not None:
                self.engine.remove_service(name)
            if self.options["wait"]:
                self._wait_until_gone(name)
            self._remove_secrets(secrets)
            self.files.forget(name)
        diff = {
            "before": {"state": "present", "secrets": sorted(_label(s, KEY_LABEL) for s in secrets)},
            "after": {"state": "absent", "secrets": []},
        }
        return {
            "changed": bool(changes),
            "changes": changed_options(changes),
            "diff": diff if changes else {"before": {}, "after": {}},
            "drifted": False,
            "replaced": False,
            "service": None,
            "containers": [],
            "reloaded": False,
        }

    # Reading and planning

    def _plan(self) -> Plan:
        cluster_id = self.engine.cluster_id() if self.options.get("secrets") else ""
        wanted = wanted_service(self.options, cluster_id)
        if wanted.values["health"] and not self.engine.knows_start_interval():
            wanted.values["health"]["start_interval"] = 0
        service = self.engine.service(wanted.name)
        network_ids = self.engine.networks()
        if service is None:
            return Plan(wanted, None, network_ids, changes_between(None, wanted.values), creates=True)
        actual = actual_values(service["Spec"], _names(network_ids))
        if actual["mode"] != wanted.values["mode"]:
            raise FirstbellError(
                f"mode: the engine cannot make the {actual['mode']} service {wanted.name} a "
                f"{wanted.values['mode']} one; remove it first with state: absent"
            )
        if self.options.get("keep_replicas"):
            wanted = replace(wanted, values={**wanted.values, "replicas": actual["replicas"]})
        changes = changes_between(actual, wanted.values)
        state = _update_state(service)
        if not changes and state in ("paused", "rollback_paused"):
            changes = (Change("update_status", state, "resumed"),)
        drifted = bool(changes) and (service["Spec"].get("Labels") or {}).get(DIGEST_LABEL) != digest(actual)
        return Plan(wanted, service, network_ids, changes, drifted)

    # Writing

    def _write(self, plan: Plan) -> Plan:
        """Write the plan; where somebody else was faster, plan again. Returns the plan that was written."""
        for _attempt in range(_ATTEMPTS):
            try:
                self._write_once(plan)
            except ConflictError:
                plan = self._plan()
                if not plan.changes:
                    return plan
                continue
            service = self.engine.service(plan.wanted.name)
            if service is None:
                raise FirstbellError(f"{plan.wanted.name}: somebody removed the service while it was being written")
            left = plan.left_in(service)
            if left:
                raise ServiceError(
                    f"{plan.wanted.name}: the engine has taken the service but not its {', '.join(left)}; "
                    "it may be too old for it",
                    {**plan.result(), "changed": True},
                )
            return replace(plan, service=service, wrote=True)
        raise ConflictError(
            f"{plan.wanted.name}: somebody else changed the service {_ATTEMPTS} times while it was being "
            "updated; find out who (another run, an autoscaler) and run again"
        )

    def _write_once(self, plan: Plan) -> None:
        wanted = plan.wanted
        missing = [net["name"] for net in wanted.values["networks"] if net["name"] not in plan.network_ids]
        if missing:
            raise FirstbellError(
                f"networks: there is no network {missing[0]!r} in this swarm; create it first, as an attachable "
                "overlay network"
            )
        secret_ids = self._secret_ids(wanted)
        if plan.service is None:
            self.engine.create_service(service_spec(wanted.name, wanted.values, plan.network_ids, secret_ids))
            return
        force_update = plan.service["Spec"]["TaskTemplate"].get("ForceUpdate") or 0
        spec = service_spec(wanted.name, wanted.values, plan.network_ids, secret_ids, force_update)
        self.engine.update_service(plan.service, spec)

    def _secret_ids(self, wanted: Wanted) -> dict[str, str]:
        if not wanted.secrets:
            return {}
        ids = {secret["Spec"]["Name"]: secret["ID"] for secret in self.engine.secrets()}
        for secret in wanted.secrets:
            if secret.swarm_name not in ids:
                labels = {OWNER_LABEL: wanted.name, KEY_LABEL: secret.name}
                ids[secret.swarm_name] = self.engine.create_secret(secret.swarm_name, labels, secret.content)
        return ids

    # Waiting

    def _tasks_before(self, service: Mapping[str, Any] | None) -> Before:
        if service is None or self.check_mode:
            return Before()
        tasks = self.engine.tasks(service["ID"])
        return Before(
            ended=frozenset(task["ID"] for task in tasks if has_ended(task)),
            all=frozenset(task["ID"] for task in tasks),
        )

    def _finish(self, plan: Plan, before: Before, result: Mapping[str, Any]) -> dict[str, Any]:
        name = plan.wanted.name
        if self.options["wait"]:
            self._wait(plan, before, result)
            if plan.wrote:
                self._remove_stale_secrets(name)
        reload = self._reload(name, plan.service, would_replace=False)
        if reload["reloaded"] and self.options["wait"]:
            self.sleep(_SETTLE_AFTER_SIGNAL)
            self._wait(plan, before, {**result, **reload, "changed": True})
        return reload

    def _wait(self, plan: Plan, before: Before, result: Mapping[str, Any]) -> None:
        outcome = self._waiter(plan, before).wait()
        if not outcome.verdict.converged:
            self._fail(plan, outcome, result)
        left = plan.left_in(outcome.seen.service)
        if left:
            raise ServiceError(
                f"{plan.wanted.name}: somebody else changed {', '.join(left)} of the service while it was being "
                "waited for; find out who (another run), and run again",
                {**result, "changed": plan.wrote or bool(result.get("changed")), "reason": "changed"},
            )

    def _observe(self, plan: Plan, before: Before) -> Observation:
        service = self.engine.service(plan.wanted.name)
        if service is None:
            raise FirstbellError(f"{plan.wanted.name}: somebody removed the service while it was being waited for")
        tasks = self.engine.tasks(service["ID"])
        stopping = any(task["DesiredState"] in ("shutdown", "remove") and not has_ended(task) for task in tasks)
        return Observation(
            service=service,
            tasks=tuple(tasks),
            now=self.now(),
            down_nodes=self.engine.down_nodes() if stopping else frozenset(),
            known_tasks=before.ended,
            wrote=plan.wrote or plan.updating,
            replaced=before.all if plan.wrote and plan.new_endpoint else frozenset(),
        )

    def _fail(self, plan: Plan, outcome: Outcome, result: Mapping[str, Any]) -> None:
        failure = explain(plan.wanted.name, outcome, self.engine.container, self.engine.task_log)
        contents = [secret.content.decode() for secret in plan.wanted.secrets]
        failure = failure.without([*contents, *(value for text in contents for value in secret_values(text))])
        message = failure.message
        if plan.wrote and failure.reason == "unschedulable" and self._roll_back(plan, outcome):
            message += "\nThe previous version was brought back."
        raise ServiceError(
            message,
            {
                **result,
                "changed": bool(result.get("changed")) or plan.wrote,
                "reason": failure.reason,
                "failures": failure.tasks,
                "log": failure.log,
            },
        )

    def _roll_back(self, plan: Plan, outcome: Outcome) -> bool:
        """What the engine does not do by itself: it goes back when tasks fail, but not when none can start."""
        service = outcome.seen.service
        if plan.wanted.values["update"]["failure_action"] != "rollback" or not service.get("PreviousSpec"):
            return False
        self.engine.roll_back(service)
        done = self._waiter(plan, Before()).wait()
        return done.verdict.reason == "rolled_back"

    def _waiter(self, plan: Plan, before: Before) -> Waiter:
        return Waiter(
            observe=lambda: self._observe(plan, before),
            clock=self.monotonic,
            sleep=self.sleep,
            timeout=float(self.options["wait_timeout"]),
        )

    def _wait_until_gone(self, name: str) -> None:
        start = self.monotonic()
        while self.engine.containers(name, ended=True):
            if self.monotonic() - start >= float(self.options["wait_timeout"]):
                left = len(self.engine.containers(name, ended=True))
                raise ServiceError(
                    f"{name}: the service is removed, but {left} of its containers are still here after "
                    f"{self.options['wait_timeout']} s; look at them with: docker ps --all --filter name={name}",
                    {"changed": True, "reason": "stopping"},
                )
            self.sleep(0.2)

    # Secrets that nobody needs any more

    def _remove_stale_secrets(self, name: str) -> None:
        own = [secret for secret in self.engine.secrets() if _belongs_to(secret, name)]
        self._remove_secrets(own)

    def _remove_secrets(self, secrets: list[dict[str, Any]]) -> None:
        """Remove those that no service refers to, neither now nor in the spec that a roll-back would bring back."""
        if not secrets:
            return
        used = {
            reference["SecretID"]
            for service in self.engine.services()
            for spec in (service.get("Spec"), service.get("PreviousSpec"))
            for reference in ((spec or {}).get("TaskTemplate", {}).get("ContainerSpec", {}).get("Secrets") or [])
        }
        for secret in secrets:
            if secret["ID"] not in used:
                self.engine.remove_secret(secret["ID"])

    # Configuration files

    def _reload(self, name: str, service: Mapping[str, Any] | None, would_replace: bool) -> dict[str, Any]:
        """Signal the local containers that have started before a file of theirs changed."""
        containers = self.engine.containers(name) if service is not None else []
        paths = self.options.get("config_paths") or []
        outdated = []
        if paths and containers and not would_replace:
            newest = self.files.newest(paths, missing_ok=self.check_mode)
            if newest > self.files.reloaded(name):
                outdated = [id_ for id_ in containers if newest > self._started(id_)]
            if outdated and not self.check_mode:
                for id_ in outdated:
                    self.engine.signal(id_, self.options["reload_signal"])
                self.files.note_reloaded(name, newest)
        return {"reloaded": bool(outdated), "containers": containers}

    def _started(self, container_id: str) -> int:
        container = self.engine.container(container_id)
        return nanoseconds(container["State"]["StartedAt"]) if container else 0


@dataclass(frozen=True)
class Before:
    """Ids of the tasks at the beginning: of those that had ended already, and of all."""

    ended: frozenset[str] = frozenset()
    all: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What has to change. ``service`` is the one that was read, or, once written, the new one."""

    wanted: Wanted
    service: Mapping[str, Any] | None
    network_ids: Mapping[str, str]
    changes: tuple[Change, ...]
    drifted: bool = False
    wrote: bool = False
    creates: bool = False

    @property
    def new_endpoint(self) -> bool:
        return any(change.option in ("publish", "endpoint_mode") for change in self.changes)

    @property
    def updating(self) -> bool:
        """Whether the engine is on its way to this service already: a run before this one was cut short."""
        return not self.changes and _update_state(self.service) == "updating"

    def left_in(self, service: Mapping[str, Any]) -> list[str]:
        """The options that a service still differs in. Replicas may be an autoscaler's."""
        actual = actual_values(service["Spec"], _names(self.network_ids))
        wanted = {option: value for option, value in self.wanted.values.items() if option != "replicas"}
        return changed_options(changes_between(actual, wanted))

    @property
    def replaces_tasks(self) -> bool:
        """Whether the engine puts new containers in the place of others."""
        kept = {"labels", "replicas", "update", "rollback", "constraints", "update_status"}
        return not self.creates and any(change.option not in kept for change in self.changes)

    def result(self) -> dict[str, Any]:
        values: Canonical = self.wanted.values
        return {
            "changes": changed_options(self.changes),
            "diff": shown_diff(self.changes),
            "drifted": self.drifted,
            "replaced": self.replaces_tasks,
            "service": {
                "id": self.service["ID"] if self.service else "",
                "name": self.wanted.name,
                "replicas": values["replicas"],
            },
            "containers": [],
            "reloaded": False,
        }


def _update_state(service: Mapping[str, Any] | None) -> str:
    return str(((service or {}).get("UpdateStatus") or {}).get("State") or "")


def _names(ids: Mapping[str, str]) -> dict[str, str]:
    return {id_: name for name, id_ in ids.items()}


def _label(secret: Mapping[str, Any], label: str) -> str:
    return str((secret["Spec"].get("Labels") or {}).get(label, ""))


def _belongs_to(secret: Mapping[str, Any], service: str) -> bool:
    return _label(secret, OWNER_LABEL) == service
