# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_service against a real engine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration import swarm_engine
from integration.harness import ModuleFailedError, run_module
from integration.swarm_engine import HOST, IMAGE, PREFIX, SwarmEngine, until

pytestmark = pytest.mark.engine

#: Runs for ever, ends at once when asked, says when it was told to reload.
FOREVER = "trap 'exit 0' TERM INT; trap 'echo reloaded' HUP; while true; do sleep 0.1; done"
HEALTH = {"test": ["CMD", "/bin/true"], "interval": "500ms", "start_period": "0s", "retries": 2}
QUICK = {"monitor": "1s"}

FULL: dict[str, Any] = {
    "command": ["/bin/sh"],
    "args": ["-c", FOREVER],
    "env": {"GREETING": "hello = world", "NUMBER": 7},
    "labels": {"part": "test"},
    "networks": [{"name": f"{PREFIX}_net", "aliases": ["full", "also"]}],
    "publish": [{"published": 18923, "target": 8080}],
    "mounts": [{"type": "tmpfs", "target": "/scratch", "size": "4MB", "mode": "1770"}],
    "secrets": [{"name": "key", "value": "one-secret-content", "target": "the.key", "mode": "0440"}],
    "constraints": ["node.role == manager"],
    "limits": {"cpus": 0.5, "memory": "64MB", "pids": 50},
    "reservations": {"cpus": 0.01, "memory": "8MB"},
    "health": HEALTH,
    "cap_add": ["NET_BIND_SERVICE"],
    "ulimits": {"nofile": "1000:2000"},
    "sysctls": {"net.core.somaxconn": 512},
    "stop_signal": "SIGINT",
    "stop_grace_period": "3s",
    "restart": {"condition": "on-failure", "delay": "500ms", "max_attempts": 3, "window": "1m"},
    "update": {"monitor": "1s", "max_failure_ratio": 0.1, "delay": "1s"},
    "log": {"driver": "json-file", "options": {"max-size": "1m"}},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[SwarmEngine]:
    with swarm_engine.running() as engine:
        yield engine


@pytest.fixture
def name(request: pytest.FixtureRequest, engine: SwarmEngine) -> Iterator[str]:
    """A service's name that is free, and free again afterwards."""
    words = request.node.originalname.removeprefix("test_").split("_")[:3]
    name = f"{PREFIX}-{'-'.join(words)}"
    yield name
    run_module("swarm_service", {"name": name, "state": "absent", "docker_host": HOST})


def service(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module for a service that runs for ever; ``options`` change and add."""
    defaults = {"image": IMAGE, "command": ["/bin/sh", "-c", FOREVER], "update": QUICK, "health": HEALTH}
    args = {"name": name, "docker_host": HOST, "wait_timeout": 60, **defaults, **options}
    given = {key: value for key, value in args.items() if value is not None}
    result: dict[str, Any] = run_module("swarm_service", given, check=check, diff=True)
    return result


def failure(name: str, **options: Any) -> dict[str, Any]:
    with pytest.raises(ModuleFailedError) as caught:
        service(name, **options)
    result: dict[str, Any] = caught.value.result
    return result


def test_full_service(engine: SwarmEngine, name: str) -> None:
    would = service(name, check=True, **FULL)
    assert would["changed"]
    assert would["diff"]["before"] == {}
    assert would["diff"]["after"]["limits"] == {"cpus": 0.5, "memory": "64MB", "pids": 50}
    assert not engine.exists(name)

    done = service(name, **FULL)
    assert (done["changes"], done["diff"]) == (would["changes"], would["diff"])
    (container,) = engine.containers(name)
    assert done["containers"] == [container["Id"]]
    assert container["State"]["Health"]["Status"] == "healthy"
    host = container["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["ReadonlyRootfs"]) == (64 * 1024**2, 50, True)
    assert (host["CapDrop"], host["Init"]) == (["ALL"], True)
    assert engine.run(container["Id"], "cat", "/run/secrets/the.key") == "one-secret-content"
    assert engine.run(container["Id"], "stat", "-c", "%a %u:%g", "/run/secrets/the.key").strip() == "440 1001:1001"
    assert "GREETING=hello = world" in container["Config"]["Env"]

    before = engine.service(name)["Version"]
    start = time.monotonic()
    again = service(name, **FULL)
    assert (again["changed"], again["changes"]) == (False, [])
    assert again["diff"] == {"before": {}, "after": {}}
    assert engine.service(name)["Version"] == before
    assert time.monotonic() - start < 2


def test_falsy_values_are_stable(name: str) -> None:
    falsy: dict[str, Any] = {
        "replicas": 0,
        "read_only": False,
        "init": False,
        "cap_drop": [],
        "user": "",
        "env": {"EMPTY": ""},
        "limits": {"cpus": 0, "memory": 0, "pids": 0},
        "health": {**HEALTH, "start_period": "0s"},
        "stop_grace_period": "0s",
        "restart": {"delay": "0s", "window": "0s"},
        "update": {"parallelism": 0, "delay": "0s", "max_failure_ratio": 0},
    }
    assert service(name, **falsy)["changed"]
    assert service(name, **falsy)["changes"] == []


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = spec["TaskTemplate"]["ContainerSpec"]
    return container


def _limits(spec: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = spec["TaskTemplate"]["Resources"]["Limits"]
    return limits


#: Option that has drifted, and how: every option that a hand can reach.
BY_HAND: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("image", lambda spec: _container(spec).update(Image="other/image:2")),
    ("command", lambda spec: _container(spec).update(Command=["/bin/true"])),
    ("args", lambda spec: _container(spec).pop("Args")),
    ("user", lambda spec: _container(spec).update(User="0")),
    ("env", lambda spec: _container(spec)["Env"].append("ADDED=1")),
    ("labels", lambda spec: spec["Labels"].update(added="1")),
    ("networks", lambda spec: spec["TaskTemplate"]["Networks"][0].update(Aliases=["other"])),
    ("networks", lambda spec: spec["TaskTemplate"].update(Networks=[])),
    ("endpoint_mode", lambda spec: spec["EndpointSpec"].update(Mode="vip")),
    ("publish", lambda spec: spec["EndpointSpec"]["Ports"][0].update(PublishedPort=18924)),
    ("mounts", lambda spec: _container(spec)["Mounts"][0]["TmpfsOptions"].update(SizeBytes=1024)),
    ("secrets", lambda spec: _container(spec)["Secrets"][0]["File"].update(Mode=0o444)),
    ("secrets", lambda spec: _container(spec).pop("Secrets")),
    ("replicas", lambda spec: spec["Mode"]["Replicated"].update(Replicas=1)),
    ("constraints", lambda spec: spec["TaskTemplate"]["Placement"].update(Constraints=["node.role==worker"])),
    ("limits", lambda spec: _limits(spec).update(NanoCPUs=10**9)),
    ("limits", lambda spec: _limits(spec).update(MemoryBytes=10**8)),
    ("limits", lambda spec: _limits(spec).pop("Pids")),
    ("reservations", lambda spec: spec["TaskTemplate"]["Resources"].pop("Reservations")),
    ("health", lambda spec: _container(spec)["Healthcheck"].update(Retries=9)),
    ("health", lambda spec: _container(spec).pop("Healthcheck")),
    ("read_only", lambda spec: _container(spec).pop("ReadOnly")),
    ("cap_drop", lambda spec: _container(spec).pop("CapabilityDrop")),
    ("cap_add", lambda spec: _container(spec)["CapabilityAdd"].append("CAP_SYS_ADMIN")),
    ("init", lambda spec: _container(spec).update(Init=False)),
    ("ulimits", lambda spec: _container(spec)["Ulimits"][0].update(Soft=7)),
    ("sysctls", lambda spec: _container(spec).pop("Sysctls")),
    ("stop_signal", lambda spec: _container(spec).pop("StopSignal")),
    ("stop_grace_period", lambda spec: _container(spec).update(StopGracePeriod=10**9)),
    ("restart", lambda spec: spec["TaskTemplate"]["RestartPolicy"].update(Condition="none")),
    ("update", lambda spec: spec["UpdateConfig"].update(FailureAction="continue")),
    ("rollback", lambda spec: spec.pop("RollbackConfig")),
    ("log", lambda spec: spec["TaskTemplate"].pop("LogDriver")),
    ("unmanaged", lambda spec: _container(spec).update(Hostname="by-hand")),
    ("unmanaged", lambda spec: _container(spec).update(Hosts=["192.0.2.1 elsewhere"])),
]


def rounds() -> list[dict[str, Callable[[dict[str, Any]], object]]]:
    """The changes of BY_HAND, in rounds that change each option once at most."""
    found: list[dict[str, Callable[[dict[str, Any]], object]]] = []
    for option, edit in BY_HAND:
        free = next((changes for changes in found if option not in changes), None)
        if free is None:
            found.append({option: edit})
        else:
            free[option] = edit
    return found


def test_every_option_changed_by_hand(engine: SwarmEngine, name: str) -> None:
    wanted = {**FULL, "replicas": 0}
    service(name, **wanted)
    for changes in rounds():

        def edit(spec: dict[str, Any], changes: dict[str, Callable[[dict[str, Any]], object]] = changes) -> None:
            for change in changes.values():
                change(spec)

        engine.change(name, edit)
        seen = service(name, check=True, **wanted)
        assert set(seen["changes"]) == set(changes)
        assert seen["drifted"]
        assert set(seen["diff"]["before"]) | set(seen["diff"]["after"]) == set(changes)
        assert service(name, **wanted, wait=False)["changes"] == seen["changes"]
        assert not service(name, **wanted)["changed"]


def test_every_option_removed_from_the_play(name: str) -> None:
    service(name, **FULL, replicas=0)
    plain: dict[str, Any] = {"command": None, "health": None, "update": None, "replicas": 0}
    expected = {*FULL, "rollback"} - {"replicas"}
    removed = service(name, **plain)
    # Without a port on the host the update's order is the same, and so is the roll-back's.
    assert set(removed["changes"]) == expected
    assert not removed["drifted"]
    assert service(name, **plain)["changes"] == []


def test_new_version_replaces_all_tasks(engine: SwarmEngine, name: str) -> None:
    service(name, replicas=2, env={"VERSION": "1"})
    updated = service(name, replicas=2, env={"VERSION": "2"})
    assert updated["diff"] == {"before": {"env": {"VERSION": "1"}}, "after": {"env": {"VERSION": "2"}}}
    containers = engine.containers(name)
    assert len(containers) == 2
    assert all("VERSION=2" in container["Config"]["Env"] for container in containers)
    assert engine.service(name)["UpdateStatus"]["State"] == "completed"


def test_secret_rotation(engine: SwarmEngine, name: str) -> None:
    def run(content: str, **more: Any) -> dict[str, Any]:
        result = service(name, secrets=[{"name": "pw", "value": content}], **more)
        assert content not in json.dumps(result)
        return result

    run("first-content")
    (first,) = engine.secret_names(name)
    would = run("second-content", check=True)
    assert would["changes"] == ["secrets"]
    assert would["diff"]["after"]["secrets"]["pw"]["content"] == "new"
    assert first not in json.dumps(would)
    assert engine.secret_names(name) == [first]

    run("second-content")
    both = engine.secret_names(name)
    assert first in both
    assert len(both) == 2, "the version before is kept for a roll-back"
    (container,) = engine.containers(name)
    assert engine.run(container["Id"], "cat", "/run/secrets/pw") == "second-content"

    run("third-content")
    assert first not in engine.secret_names(name)
    assert len(engine.secret_names(name)) == 2
    assert not run("third-content")["changed"]
    run_module("swarm_service", {"name": name, "state": "absent", "docker_host": HOST})
    assert engine.secret_names(name) == []


def test_unhealthy_update_is_rolled_back(engine: SwarmEngine, name: str) -> None:
    service(name)
    sick = {**HEALTH, "test": ["CMD-SHELL", "echo no database; exit 1"]}
    failed = failure(name, health=sick)
    assert (failed["reason"], failed["changed"]) == ("rolled_back", True)
    assert "no database" in failed["msg"]
    assert engine.service(name)["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"] == HEALTH["test"]
    assert not service(name)["changed"], "the old version is what runs, and is healthy"


def test_crash_loop(name: str) -> None:
    crash = ["/bin/sh", "-c", "echo cannot open the book >&2; exit 3"]
    failed = failure(name, command=crash, health=None, restart={"delay": "100ms"})
    assert failed["reason"] == "crash_looping"
    assert failed["failures"][0]["exit_code"] == 3
    assert failed["log"] == ["cannot open the book"]
    assert "cannot open the book" in failed["msg"]
    again = failure(name, command=crash, health=None, restart={"delay": "100ms"})
    assert (again["changed"], again["reason"]) == (False, "crash_looping")


def test_missing_image(name: str) -> None:
    failed = failure(name, image=f"{PREFIX}/nowhere:1", restart={"delay": "100ms"})
    assert failed["reason"] == "image_missing"
    assert f"{PREFIX}/nowhere:1" in failed["msg"]


def test_unschedulable_update_goes_back(name: str) -> None:
    service(name)
    failed = failure(name, reservations={"memory": "900TB"})
    assert failed["reason"] == "unschedulable"
    assert "insufficient resources" in failed["msg"]
    assert "brought back" in failed["msg"]
    assert not service(name)["changed"]


def test_paused_update_is_resumed(name: str) -> None:
    pause = {**QUICK, "failure_action": "pause"}
    service(name, update=pause)
    sick = {
        "test": ["CMD", "/bin/test", "-e", "/scratch/well"],
        "interval": "500ms",
        "start_period": "0s",
        "retries": 2,
    }
    failed = failure(name, update=pause, health=sick)
    assert failed["reason"] == "paused"
    resumed = failure(name, update=pause, health=sick, wait_timeout=4)
    assert resumed["changes"] == ["update_status"]
    assert resumed["reason"] in ("paused", "unhealthy"), "its tasks are tried again"
    assert service(name, update=pause)["changed"]


def test_sick_service_fails_a_run_without_change(engine: SwarmEngine, name: str) -> None:
    moody: dict[str, Any] = {
        "health": {**HEALTH, "test": ["CMD", "/bin/test", "!", "-e", "/scratch/sick"]},
        "mounts": [{"type": "tmpfs", "target": "/scratch"}],
        "restart": {"delay": "20s"},
    }
    service(name, **moody)
    (container,) = engine.containers(name)
    engine.run(container["Id"], "touch", "/scratch/sick")
    until(lambda: not engine.containers(name), "the sick container is ended")
    failed = failure(name, **moody, wait_timeout=3)
    assert not failed["changed"]
    assert "nothing was changed by this run" in failed["msg"]


def test_keep_replicas(engine: SwarmEngine, name: str) -> None:
    service(name, replicas=1, keep_replicas=True)
    engine.change(name, lambda spec: spec["Mode"]["Replicated"].update(Replicas=2))
    kept = service(name, replicas=1, keep_replicas=True, env={"VERSION": "2"})
    assert kept["changes"] == ["env"]
    assert kept["service"]["replicas"] == 2
    assert len(engine.containers(name)) == 2
    back = service(name, replicas=1, env={"VERSION": "2"})
    assert back["changes"] == ["replicas"]
    assert len(engine.containers(name)) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="the note of a reload is in /run")
def test_reload(engine: SwarmEngine, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    config = folder / "site.conf"
    config.write_text("one")
    options: dict[str, Any] = {"config_paths": [str(folder)], "health": None}
    first = service(name, **options)
    assert not first["reloaded"], "a container that has just started has read its files"
    assert not service(name, **options)["changed"]

    config.write_text("two")
    would = service(name, check=True, **options)
    assert (would["changed"], would["reloaded"]) == (True, True)
    (container,) = first["containers"]
    assert "reloaded" not in engine.log(container)
    done = service(name, **options)
    assert (done["changed"], done["reloaded"], done["changes"]) == (True, True, [])
    assert engine.log(container).count("reloaded") == 1
    assert not service(name, **options)["changed"]

    config.unlink()
    assert service(name, **options)["reloaded"], "a removed file is a change as well"


def test_absent(engine: SwarmEngine, name: str) -> None:
    absent = {"name": name, "state": "absent", "docker_host": HOST}
    service(name, secrets=[{"name": "pw", "value": "some-content"}])
    assert run_module("swarm_service", absent, check=True)["changed"]
    assert engine.exists(name)
    assert run_module("swarm_service", absent)["changed"]
    assert not engine.exists(name)
    assert engine.containers(name) == []
    assert not run_module("swarm_service", absent)["changed"]


def test_host_port_moves(name: str) -> None:
    service(name, publish=[{"published": 18925, "target": 80}])
    moved = service(name, publish=[{"published": 18926, "target": 80}])
    assert moved["changes"] == ["publish"]
    assert not service(name, publish=[{"published": 18926, "target": 80}])["changed"]


def test_global_service(name: str) -> None:
    assert service(name, mode="global")["service"]["replicas"] is None
    assert not service(name, mode="global")["changed"]
    failed = failure(name)
    assert "state: absent" in failed["msg"]


def test_missing_network(engine: SwarmEngine, name: str) -> None:
    networks = [{"name": "not-there-at-all"}]
    assert service(name, networks=networks, check=True)["changed"]
    assert "not-there-at-all" in failure(name, networks=networks)["msg"]
    assert not engine.exists(name)


def test_check_mode_without_engine(name: str) -> None:
    nowhere = "unix:///nonexistent/docker.sock"
    assert service(name, check=True, docker_host=nowhere)["changed"]
    failed = failure(name, docker_host=nowhere)
    assert "docker_host" in failed["msg"]


def test_run_that_was_cut_short(engine: SwarmEngine, name: str) -> None:
    """The next run finds nothing to change; it waits for the update that is under way, and tells its end."""
    service(name)
    sick = {**HEALTH, "test": ["CMD", "/bin/false"], "retries": 5}
    service(name, health=sick, wait=False)
    failed = failure(name, health=sick)
    assert (failed["changes"], failed["changed"], failed["reason"]) == ([], False, "rolled_back")
    assert engine.service(name)["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"] == HEALTH["test"]
