# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on a real engine: built once, loaded from the cache, without any trace of a secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_engine import find_command
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_sources import stack_image

from integration.harness import ROOT, ModuleFailedError, run_module

pytestmark = pytest.mark.engine

SECRET = "hunter2-is-never-seen"
PROBE = "firstbell/fbimg-probe"
DOCKERFILE = """\
ARG BASE
FROM ${BASE}
ARG COLOUR
RUN --mount=type=secret,id=build_env \\
    --mount=type=secret,id=ca_bundle \\
    --mount=type=secret,id=apt,target=/etc/apt/sources.list.d/debian.sources \\
    grep -q hunter2 /run/secrets/build_env && grep -q 'BEGIN CERTIFICATE' /run/secrets/ca_bundle \\
 && grep -q trixie-security /etc/apt/sources.list.d/debian.sources \\
 && echo "$COLOUR" > /colour
"""
FAILING = DOCKERFILE + "RUN --mount=type=secret,id=build_env seq 100 && cat /run/secrets/build_env && false\n"


def docker(*args: str) -> str:
    done = subprocess.run([find_command(), *args], capture_output=True, text=True, check=True)
    return done.stdout


def play(tmp_path: Path, task: dict[str, Any], *flags: str, path: str = "") -> dict[str, Any]:
    """The result of the task image_build on this machine, through Ansible."""
    tasks = [{"firstbell.stack.image_build": task, "register": "made"}]
    tasks.append({"ansible.builtin.copy": {"content": "{{ made | to_json }}", "dest": str(tmp_path / "made.json")}})
    tasks[1]["check_mode"] = False
    if path:
        tasks[0]["environment"] = {"PATH": path}
    book = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(book), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", *flags, str(tmp_path / "play.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    made: dict[str, Any] = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base image, made by the task itself where it is not there yet."""
    made = play(tmp_path_factory.mktemp("base"), {"images": ["debian"], "cache_directory": ""})
    return str(made["images"]["debian"]["reference"])


@pytest.fixture
def probe(tmp_path: Path, base: str) -> Iterator[dict[str, Any]]:
    """The request for a small image on top of it, with a secret; the image is gone afterwards."""
    (tmp_path / "env").write_text(f"TOKEN='{SECRET}'\n", encoding="utf-8")
    request = {
        "name": "fbimg-probe",
        "reference": f"{PROBE}:{os.urandom(6).hex()}",
        "base_reference": base,
        "suite": "trixie",
        "build_args": {"COLOUR": os.urandom(6).hex()},
        "context": str(tmp_path / "context.tar"),
        "secrets": {"build_env": str(tmp_path / "env")},
    }
    yield request
    subprocess.run([find_command(), "image", "rm", "--force", request["reference"]], capture_output=True, check=False)


def make(
    probe: dict[str, Any], step: str, cache: str = "", dockerfile: str = DOCKERFILE, **more: Any
) -> dict[str, Any]:
    with tarfile.open(probe["context"], "w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, BytesIO(dockerfile.encode()))
    requests = [probe]
    if step == "survey":
        requests.append({"name": "debian", "reference": probe["base_reference"], "wanted": False, "suite": "trixie"})
    return run_module("image_build", {"request": {"step": step, "images": requests}, "cache_directory": cache, **more})


def files(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_file()]


def test_hosts_that_share_the_cache_build_an_image_once(probe: dict[str, Any], tmp_path: Path) -> None:
    slow = DOCKERFILE + f"RUN sleep 5 && echo {os.urandom(4).hex()}\n"
    with ThreadPoolExecutor(2) as hosts:
        made = [hosts.submit(make, probe, "make", str(tmp_path / "cache"), slow) for _ in range(2)]
    assert sorted(one.result()["images"]["fbimg-probe"]["state"] for one in made) == ["built", "loaded"]


def test_an_image_is_built_once_and_then_loaded(probe: dict[str, Any], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert make(probe, "survey", str(cache))["missing"] == ["fbimg-probe"]
    built = make(probe, "make", str(cache))
    assert built["changed"]
    assert built["images"]["fbimg-probe"]["state"] == "built"
    assert built["images"]["fbimg-probe"]["size"] > 0

    again = make(probe, "survey", str(cache))
    assert not again["changed"]
    assert (again["missing"], again["images"]["fbimg-probe"]["state"]) == ([], "present")

    docker("image", "rm", probe["reference"])
    loaded = make(probe, "survey", str(cache))
    assert loaded["changed"]
    assert (loaded["missing"], loaded["images"]["fbimg-probe"]["state"]) == ([], "loaded")
    assert docker("run", "--rm", probe["reference"], "cat", "/colour").strip() == probe["build_args"]["COLOUR"]

    docker("image", "rm", probe["reference"])
    (file,) = files(cache)
    file.write_bytes(file.read_bytes()[:1000])
    damaged = make(probe, "survey", str(cache))
    assert damaged["missing"] == ["fbimg-probe"]
    assert not files(cache)


def test_a_secret_leaves_no_trace(probe: dict[str, Any], tmp_path: Path) -> None:
    make(probe, "make")
    assert SECRET not in docker("history", "--no-trunc", probe["reference"])
    docker("save", "--output", str(tmp_path / "image.tar"), probe["reference"])
    found = []
    with tarfile.open(tmp_path / "image.tar") as image:
        for member in image:
            content = image.extractfile(member)
            if content is None:
                continue
            data = content.read()
            if SECRET.encode() in data:
                found.append(member.name)
            if member.name.endswith("layer.tar"):
                with tarfile.open(fileobj=BytesIO(data)) as layer:
                    secrets = [
                        entry for entry in layer if "run/secrets/" in entry.name or "sources.list.d/" in entry.name
                    ]
                    found += [entry.name for entry in secrets if entry.size]
    assert not found


def test_a_failed_build_shows_its_end_without_secrets_and_leaves_nothing(probe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModuleFailedError) as failure:
        make(probe, "make", str(tmp_path / "cache"), FAILING)
    message = failure.value.result["msg"]
    assert message.startswith(f"building {probe['reference']} failed")
    assert "TOKEN='********'" in message
    assert SECRET not in str(failure.value.result)
    assert 20 < len(message.splitlines()) <= 41
    assert make(probe, "survey")["missing"] == ["fbimg-probe"]


def test_the_task_makes_the_collections_own_images_once(tmp_path: Path, base: str) -> None:
    task = {"images": ["redis"], "cache_directory": str(tmp_path / "cache"), "revision": os.urandom(4).hex()}
    reference = stack_image("redis", task["revision"]).reference
    own_base = stack_image("debian", task["revision"]).reference
    try:
        planned = play(tmp_path, task, "--check", "--diff")
        assert planned["changed"]
        assert planned["missing"] == ["debian", "redis"]
        assert planned["diff"]["after"].splitlines() == [own_base, reference]

        made = play(tmp_path, task)
        assert {name: image["state"] for name, image in made["images"].items()} == {"debian": "built", "redis": "built"}
        version = docker("run", "--rm", "--read-only", "--cap-drop=ALL", reference, "redis-server", "--version")
        assert "v=8." in version
        assert docker("inspect", "--format", "{{.Config.User}}", reference).strip() == "1001:1001"

        assert not play(tmp_path, task)["changed"]
        docker("image", "rm", reference, own_base)
        loaded = play(tmp_path, task)
        assert {name: image["state"] for name, image in loaded["images"].items()} == {"redis": "loaded"}
    finally:
        subprocess.run(
            [find_command(), "image", "rm", "--force", reference, own_base], capture_output=True, check=False
        )


def test_check_mode_works_before_docker_is_installed(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("sh", "env", "rm", "mkdir", "python3"):
        (folder / program).symlink_to(shutil.which(program) or "")
    request = {"name": "redis", "reference": "firstbell/redis:0", "base_reference": "firstbell/debian:0", "suite": "x"}
    base = {"name": "debian", "reference": "firstbell/debian:0", "wanted": False, "suite": "x"}
    code = (
        "from ansible_collections.firstbell.stack.plugins.module_utils._io import image_engine, image_make;"
        "image_engine._CANDIDATES = ('docker',);"
        f"print(image_make.survey({{'request': {{'images': {[request, base]!r}}}, 'cache_directory': ''}}, True))"
    )
    environment = {"PATH": str(folder), "PYTHONPATH": str(ROOT / ".collections")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "'missing': ['debian', 'redis']" in done.stdout
