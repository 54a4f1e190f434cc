# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The update of the images: built anew on a real engine, and their revision kept in the inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_engine import find_command
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_sources import stack_image

from integration.harness import ROOT

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="builds need Debian's packages, which root installs"),
]

NEW = f"test-{os.urandom(4).hex()}"
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    firstbell_stack_name: updated
    firstbell_domain: updated.test
    firstbell_admin_email: admin@updated.test
    firstbell_app_image: registry.example.org/app:1
    firstbell_host_memory: 4GB
    firstbell_host_cpus: 2
    firstbell_secrets: {}
    firstbell_ca_bundle: "{{ lookup('ansible.builtin.env', 'NODE_EXTRA_CA_CERTS') }}"
    images_names: [debian]
    images_cache_directory: ""
  tasks:
    - name: Build them, and keep their revision
      ansible.builtin.import_role:
        name: firstbell.stack.images
        tasks_from: update
"""


@dataclass
class Inventory:
    """An inventory of this machine."""

    directory: Path

    def write(self, name: str, text: str) -> None:
        path = self.directory / "group_vars" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def files(self) -> dict[str, str]:
        folder = self.directory / "group_vars"
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}

    def update(self, *flags: str, revision: str = NEW, **variables: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "hosts.yml").write_text(
            yaml.safe_dump({"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}), encoding="utf-8"
        )
        (self.directory / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
        extra = {"ansible_python_interpreter": sys.executable, "images_new_revision": revision, **variables}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.directory / "hosts.yml")]
        command += ["-e", json.dumps(extra), *flags, str(self.directory / "play.yml")]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    (tmp_path / "group_vars").mkdir()
    return Inventory(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def no_image_is_left() -> Iterator[None]:
    yield
    command = [find_command(), "image", "rm", stack_image("debian", NEW).reference]
    subprocess.run(command, check=False, capture_output=True)


def image(revision: str) -> str:
    """The id of the image with that revision, or nothing."""
    command = [find_command(), "image", "ls", "--quiet", stack_image("debian", revision).reference]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_images_are_built_and_their_revision_is_kept_where_it_was(inventory: Inventory) -> None:
    before = (
        '# ours\nfirstbell_domain: school.example\nimages_revision: "2026-01"  # when a hole was announced\nlast: 1\n'
    )
    inventory.write("all/main.yml", before)

    looked = inventory.update("--check", "--diff")
    assert looked.returncode == 0, looked.stdout
    assert f'+images_revision: "{NEW}"' in looked.stdout
    assert inventory.files() == {"all/main.yml": before}
    assert not image(NEW)

    done = inventory.update()
    assert done.returncode == 0, done.stdout
    assert image(NEW)
    assert inventory.files() == {"all/main.yml": before.replace("2026-01", NEW)}

    again = inventory.update()
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        ({"all/main.yml": "a: 1\n"}, {"all/images.yml": f'---\nimages_revision: "{NEW}"\n'}),
        ({"all.yml": "a: 1"}, {"all.yml": f'a: 1\nimages_revision: "{NEW}"\n'}),
        ({}, {"all.yml": f'---\nimages_revision: "{NEW}"\n'}),
    ],
    ids=["folder", "file", "nothing"],
)
def test_an_inventory_without_a_revision_gets_one(
    inventory: Inventory, there: dict[str, str], kept: dict[str, str]
) -> None:
    for name, text in there.items():
        inventory.write(name, text)
    done = inventory.update()
    assert done.returncode == 0, done.stdout
    assert inventory.files() == {**there, **kept}


@pytest.mark.parametrize(
    ("there", "variables", "said"),
    [
        ({"all.yml": "images_revision: a\n", "web.yml": "images_revision: b\n"}, {}, "leave it in one of them"),
        ({"all.yml": "a: 1\n"}, {"images_revision": "from-elsewhere"}, "set it nowhere else"),
        ({"all.yml": "a: 1\n"}, {"revision": "next week"}, "only letters, digits"),
        ({"all.yml": "a: 1\n"}, {"revision": f"{NEW}-b", "images_mirror": "http://127.0.0.1:9/debian"}, "127.0.0.1:9"),
    ],
    ids=["twice", "elsewhere", "no-name", "no-mirror"],
)
def test_what_fails_leaves_the_inventory_as_it_is(
    inventory: Inventory, there: dict[str, str], variables: dict[str, str], said: str
) -> None:
    for name, text in there.items():
        inventory.write(name, text)
    done = inventory.update(**variables)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.split())
    assert inventory.files() == there
