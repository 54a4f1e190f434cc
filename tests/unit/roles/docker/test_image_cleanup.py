# SPDX-License-Identifier: GPL-3.0-or-later
"""The clean-up of images, which runs on hosts as a script of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "roles" / "docker" / "files" / "image_cleanup.py"


@pytest.fixture(name="cleanup", scope="module")
def _cleanup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_cleanup", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["image_cleanup"] = module
    spec.loader.exec_module(module)
    return module


def removed(cleanup: ModuleType, images: dict[str, float], **arguments: Any) -> list[str]:
    """Which of the images, given by name and age, go. Image ids are names with "id-"."""
    options: dict[str, Any] = {
        "used_ids": [],
        "used_references": [],
        "protected": ["firstbell/*"],
        "keep": 3,
        "newer_than": 1000.0,
        **arguments,
    }
    made = [cleanup.Image(f"id-{name}", (name,) if name else (), since) for name, since in images.items()]
    return [image.id.removeprefix("id-") for image in cleanup.plan(made, **options)]


VERSIONS = {f"firstbell/app:{number}": float(number) for number in range(1, 7)}


def test_the_newest_of_a_protected_repository_stay_whatever_their_age(cleanup: ModuleType) -> None:
    assert removed(cleanup, VERSIONS) == ["firstbell/app:1", "firstbell/app:2", "firstbell/app:3"]


def test_an_old_image_in_use_stays_and_does_not_count_out_newer_ones(cleanup: ModuleType) -> None:
    kept = removed(cleanup, VERSIONS, used_ids=["id-firstbell/app:1"])
    assert kept == ["firstbell/app:2", "firstbell/app:3"]


def test_what_a_service_ran_before_stays(cleanup: ModuleType) -> None:
    images = {f"registry.example:5000/shop:{n}": float(n) for n in range(1, 6)}
    gone = removed(cleanup, images, used_references=["registry.example:5000/shop:1@sha256:abc"])
    assert gone == ["registry.example:5000/shop:1", "registry.example:5000/shop:2"]
    gone = removed(cleanup, images, used_references=["registry.example:5000/shop:1"])
    assert gone == ["registry.example:5000/shop:2"]


def test_images_of_nobody_go_when_they_are_old(cleanup: ModuleType) -> None:
    assert removed(cleanup, {"alpine:3": 5.0, "debian:13": 2000.0}) == ["alpine:3"]


def test_images_without_a_name_go_unless_they_are_used(cleanup: ModuleType) -> None:
    assert removed(cleanup, {"": 5.0}) == [""]
    assert removed(cleanup, {"": 5.0}, used_ids=["id-"]) == []


def test_every_repository_has_its_own_three(cleanup: ModuleType) -> None:
    images = {f"firstbell/{name}:{n}": float(n) for name in ("app", "nginx") for n in range(1, 5)}
    assert sorted(removed(cleanup, images)) == ["firstbell/app:1", "firstbell/nginx:1"]


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("firstbell/app:1", "firstbell/app"),
        ("registry.example:5000/app", "registry.example:5000/app"),
        ("registry.example:5000/app:1@sha256:abc", "registry.example:5000/app"),
        ("debian", "debian"),
    ],
)
def test_a_reference_has_a_repository(cleanup: ModuleType, reference: str, repository: str) -> None:
    assert cleanup.repository_of(reference) == repository


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:40.123456789Z", 100),
        ("1970-01-01T01:01:40.1+01:00", 100),
        ("1970-01-01T00:01:40Z", 100),
        ("1969-12-31T19:01:40-05:00", 100),
        ("", 0),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_times_of_the_engine(cleanup: ModuleType, text: str, seconds: float) -> None:
    assert cleanup.timestamp(text) == seconds
