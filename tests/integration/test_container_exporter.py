# SPDX-License-Identifier: GPL-3.0-or-later
"""The exporter of the containers on a real engine: figures, names, and kills that the engine does not tell right."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.files_stack import build_image
from integration.harness import ROOT

pytestmark = pytest.mark.engine

LISTING = ROOT / "roles" / "monitoring" / "files" / "container_listing.py"
EAT = "x = [bytearray(1 << 20) for _ in range(200)]"


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(frozen=True)
class Exporter:
    """The exporter's container, and the image, which has a Python for other tests."""

    container: str
    address: str
    image: str
    name: str

    def value(self, metric: str, task: str) -> float | None:
        text = urllib.request.urlopen(f"http://{self.address}:9102/metrics", timeout=10).read().decode()
        labels = re.escape(f'{{name="{self.name}_{task}",service="{self.name}_{task.partition(".")[0]}"}}')
        found = re.search(rf"^{metric}{labels} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def wait(self, metric: str, task: str, wanted: Callable[[float], bool]) -> float:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            value = self.value(metric, task)
            if value is not None and wanted(value):
                return value
            time.sleep(0.3)
        raise AssertionError(f"{metric} of {task} is {self.value(metric, task)}")

    @contextlib.contextmanager
    def task(self, task: str, *command: str) -> Iterator[str]:
        """A container that looks like the task of a service."""
        service = f"{self.name}_{task.partition('.')[0]}"
        labels = {"service.name": service, "task.name": f"{self.name}_{task}.{uuid.uuid4().hex[:8]}"}
        flags = [f"--label=com.docker.swarm.{key}={value}" for key, value in labels.items()]
        limits = ["--memory=48m", "--memory-swap=48m", "--cpus=0.5", "--network=none"]
        container = docker("run", "--detach", *flags, *limits, self.image, *command)
        try:
            yield container
        finally:
            docker("rm", "--force", container)


def until_it_listens(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((address, 9102), timeout=5):
            return
        time.sleep(0.3)
    raise AssertionError("the exporter does not listen")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    directory = tmp_path_factory.mktemp("exporter")
    image = build_image(directory, "container-exporter")
    name = f"fbtest{uuid.uuid4().hex[:6]}"
    # What pytest makes is for its own user only; the exporter is another one.
    shared = Path("/tmp") / name
    shared.mkdir(mode=0o755)
    listing = subprocess.Popen([sys.executable, LISTING, shared / "containers.json"])
    mounts = ["--volume=/sys/fs/cgroup:/host/cgroup:ro", f"--volume={shared}:/var/lib/container-exporter:ro"]
    rights = ["--read-only", "--cap-drop=ALL", "--memory=40m", "--pids-limit=64"]
    container = docker("run", "--detach", *mounts, *rights, image)
    try:
        address = docker("inspect", "--format={{.NetworkSettings.IPAddress}}", container)
        until_it_listens(address)
        yield Exporter(container, address, image, name)
    finally:
        listing.terminate()
        listing.wait()
        docker("rm", "--force", container)
        for path in shared.iterdir():
            path.unlink()
        shared.rmdir()


def test_it_measures_what_a_task_uses_and_may_use(exporter: Exporter) -> None:
    burn = "x = bytearray(b'1' * (16 << 20))\nwhile True: pass"
    with exporter.task("app.1", "python3", "-c", burn) as container:
        exporter.wait("container_cpu_usage_seconds_total", "app.1", lambda value: value > 0.5)
        assert 16 << 20 <= exporter.wait("container_memory_working_set_bytes", "app.1", bool) < 48 << 20
        assert exporter.value("container_spec_memory_limit_bytes", "app.1") == 48 << 20
        assert exporter.value("container_spec_cpu_quota", "app.1") == 50000
        assert exporter.value("container_spec_cpu_period", "app.1") == 100000
        assert exporter.wait("container_cpu_cfs_throttled_periods_total", "app.1", bool)
        assert exporter.value("container_oom_events_total", "app.1") == 0
        assert exporter.value("container_restarts_total", "app.1") == 0
        created = docker("inspect", "--format={{.Created}}", container)
        assert abs((exporter.value("container_start_time_seconds", "app.1") or 0) - time.time()) < 60, created


def test_a_child_that_is_killed_for_memory_is_counted_and_its_container_lives(exporter: Exporter) -> None:
    twice = f"for _ in 1 2; do python3 -c '{EAT}'; done; sleep 60"
    with exporter.task("child.1", "bash", "-c", f"sleep() {{ read -t $1 <> <(:); }}; {twice}") as container:
        exporter.wait("container_oom_events_total", "child.1", lambda value: value == 2)
        assert json.loads(docker("inspect", "--format={{json .State.Running}}", container))


def test_a_container_that_ends_by_the_kill_is_counted_under_its_task(exporter: Exporter) -> None:
    for count in (1, 2):
        with exporter.task("main.1", "python3", "-c", f"import time; time.sleep(1.5); {EAT}") as container:
            assert docker("wait", container) == "137"
            exporter.wait("container_oom_events_total", "main.1", lambda value, count=count: value == count)
    assert exporter.value("container_restarts_total", "main.1") == 1


def test_one_that_is_only_stopped_was_not_killed_for_memory(exporter: Exporter) -> None:
    with exporter.task("stopped.1", "python3", "-c", "import time; time.sleep(60)") as container:
        exporter.wait("container_memory_working_set_bytes", "stopped.1", bool)
        docker("kill", container)
        time.sleep(1)
    assert exporter.value("container_oom_events_total", "stopped.1") == 0


def test_it_costs_next_to_nothing_and_has_no_rights(exporter: Exporter) -> None:
    def cpu() -> float:
        text = urllib.request.urlopen(f"http://{exporter.address}:9102/metrics", timeout=10).read().decode()
        return float(re.findall(r"^process_cpu_seconds_total (\S+)$", text, re.MULTILINE)[0])

    before = cpu()
    time.sleep(10)
    assert cpu() - before < 0.1, "more than 1 % of a CPU"
    show = 'while read line; do echo "$line"; done < /proc/1/status'
    status = docker("exec", exporter.container, "bash", "-c", show)
    assert re.search(r"^Uid:\s+1001\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)


def test_a_health_check_that_reads_one_line_leaves_no_traceback(exporter: Exporter) -> None:
    for _ in range(10):
        docker("exec", exporter.container, "http-ok", "9102", "/healthz")
    logged = subprocess.run(["docker", "logs", exporter.container], capture_output=True, text=True, check=True)
    assert logged.stdout + logged.stderr == ""
