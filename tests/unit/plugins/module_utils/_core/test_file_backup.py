# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import file_backup, file_metrics
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.file_backup import Component, FilesConfig, Probe
from ansible_collections.firstbell.stack.plugins.module_utils._core.prometheus import render
from ansible_collections.firstbell.stack.plugins.module_utils._core.restic import Snapshot

from unit.errors import error_of

LIMITS = {"cpus": 1, "memory": 2**29, "pids": 128}
SECTION: dict[str, Any] = {
    "image": "restic:1",
    "redis_image": "redis:1",
    "limits": LIMITS,
    "host": "academy@bell1",
    "components": [{"name": "uploads", "paths": ["/srv/uploads"]}, {"name": "redis"}],
}
UPLOADS = Component("uploads", ("/srv/uploads", "/srv/more"), excludes=("/srv/uploads/cache",))
HOUR = 3600.0
MADE = [Snapshot(f"{n}{n}{n}{n}", n * HOUR, "uploads", ("/host/srv/uploads",)) for n in range(1, 4)]


def config(**section: Any) -> FilesConfig:
    postgres = PostgresConfig(image="postgres:1", major=17, database="academy", limits=Limits(1, 2**29))
    return file_backup.parse(Config("academy", "/opt/academy", postgres, {"files": {**SECTION, **section}}))


def message(*arguments: Any, **options: Any) -> str:
    return str(error_of(lambda: file_backup.choose(*arguments, **options)))


def test_the_configuration() -> None:
    store = {
        "location": "s3:https://s3.example/b",
        "region": "eu",
        "style": "path",
        "network": "bridge",
        "authority": False,
    }
    assert config().repositories == ("local",)
    assert config(store=store).repositories == ("local", "s3")
    # Another host's: restored from, never written.
    assert config(store={**store, "read_only": True}).repositories == ("local",)
    assert config().component("redis").all_paths == ()


@pytest.mark.parametrize("path", ["uploads", "/", "/srv/../etc", "/srv/a,readonly=false", "/srv/\n", '/srv/"', "/srv/"])
def test_a_path_that_could_become_another_mount_is_refused(path: str) -> None:
    for key in ("paths", "optional", "excludes"):
        error = error_of(lambda key=key: config(components=[{"name": "uploads", key: [path]}]))  # type: ignore[misc]
        assert "cannot be backed up" in str(error)


@pytest.mark.parametrize("more", [{"colour": "red"}, {"limits": {"cpu": 1}}, {"components": [{}]}])
def test_a_configuration_of_another_version(more: dict[str, Any]) -> None:
    assert "run the playbook site" in str(error_of(lambda: config(**more)))


def test_an_unknown_component_is_told_from_those_there_are() -> None:
    assert "there is: uploads, redis" in str(error_of(config().component, "upload"))


def test_the_fingerprint_tells_keys_apart_and_not_the_key() -> None:
    key = "0Y2mzKsQGhH4UuwRk9kQm2yCqvWb1nU5m4Xh0aJd8xE="
    found = file_backup.fingerprint(key)
    assert found == file_backup.fingerprint(f"{key}\n")
    assert found != file_backup.fingerprint(key.lower())
    assert len(found) == 16
    assert found not in key
    refusal = file_backup.key_refusal(found, "0123456789abcdef", "/repository")
    assert found in refusal
    assert "0123456789abcdef" in refusal


def test_what_restic_is_told() -> None:
    argv = file_backup.backup_arguments(UPLOADS, ["/host/srv/uploads"], "academy@bell1")
    assert argv[argv.index("--exclude") + 1] == "/host/srv/uploads/cache"
    assert argv[argv.index("--tag") + 1] == "uploads"
    assert argv[-1] == "/host/srv/uploads"
    argv = file_backup.forget_arguments(config(keep_days=30))
    assert argv[argv.index("--keep-within-daily") + 1] == "30d"
    assert "--prune" in argv


@pytest.mark.parametrize(
    ("read_at", "expected"),
    [({}, 1), ({"1": 5.0}, 2), ({"1": 5.0, "2": 3.0, "3": 4.0}, 2), ({"1": 1.0, "2": 3.0, "3": 4.0}, 1)],
)
def test_the_part_that_was_not_read_for_longest_is_next(read_at: dict[str, float], expected: int) -> None:
    assert file_backup.next_subset(read_at, 3) == expected


def test_every_part_is_read_within_as_many_days_as_there_are_parts() -> None:
    read_at: dict[str, float] = {}
    for day in range(21):
        read_at[str(file_backup.next_subset(read_at, 7))] = float(day + 1)
        if day >= 6:
            assert min(read_at.values()) > day - 6
            assert len(read_at) == 7


@pytest.mark.parametrize(
    ("read_at", "since", "expected"),
    [({}, 0.0, []), ({}, 99 * 86400.0, []), ({}, 86400.0, [1, 2]), ({"1": 99 * 86400.0}, 86400.0, [2])],
)
def test_parts_that_nobody_read(read_at: dict[str, float], since: float, expected: list[int]) -> None:
    assert file_backup.unread(read_at, 2, since, 100 * 86400.0) == expected


def test_what_vanished_and_what_is_too_old() -> None:
    assert file_backup.vanished(["1111", "9999"], MADE) == ("9999",)
    found = file_backup.too_old(config(age=HOUR), MADE, 4.5 * HOUR)
    assert found == [
        "the newest backup of uploads is 1.5 hours old, it should be at most 1.0",
        "there is no backup of redis",
    ]
    assert not file_backup.too_old(config(age=HOUR, components=SECTION["components"][:1]), MADE, 4 * HOUR)


def test_which_backup_is_restored() -> None:
    now = 10 * HOUR
    assert file_backup.choose(MADE, "uploads", now=now).id == "3333"
    assert file_backup.choose(MADE, "uploads", at=2 * HOUR, now=now).id == "2222"
    assert file_backup.choose(MADE, "uploads", at=2.9 * HOUR, now=now).id == "2222"
    assert file_backup.choose(MADE, "uploads", wanted="1111", now=now).id == "1111"
    copied = [replace(MADE[0], id="abcd", original="1111")]
    assert file_backup.choose(copied, "uploads", wanted="1111", now=now).id == "abcd"


@pytest.mark.parametrize(
    ("component", "options", "words"),
    [
        ("redis", {}, "there is no backup of redis"),
        ("uploads", {"at": 0.5 * HOUR}, "was made later"),
        ("uploads", {"at": 11 * HOUR}, "has not come yet"),
        ("uploads", {"wanted": "4444"}, "no backup"),
        ("uploads", {"wanted": "--last"}, "is no snapshot"),
        ("uploads", {"wanted": "11"}, "is no snapshot"),
        ("uploads", {"wanted": "3333", "at": 2 * HOUR}, "no backup"),
    ],
)
def test_which_backup_cannot_be_restored(component: str, options: dict[str, Any], words: str) -> None:
    assert words in message(MADE, component, now=10 * HOUR, **options)


def test_an_id_that_fits_two() -> None:
    two = [replace(MADE[0], id="11112"), replace(MADE[0], id="11113")]
    assert "more than one" in message(two, "uploads", wanted="1111", now=10 * HOUR)


@pytest.mark.parametrize("path", ["/srv/uploads", "/srv/uploads/", "/srv/uploads/a b/c", "/srv/more/x"])
def test_a_part_of_a_component(path: str) -> None:
    assert file_backup.part(UPLOADS, path) == path.rstrip("/")


@pytest.mark.parametrize(
    "path",
    ["/srv", "/srv/uploadsX", "uploads", "/srv/uploads/../x", "/srv/uploads/cache", "/srv/uploads/cache/x", "/etc"],
)
def test_what_is_no_part_of_it(path: str) -> None:
    assert isinstance(error_of(file_backup.part, UPLOADS, path), FirstbellError)


def test_redis_is_restored_as_a_whole() -> None:
    assert "as a whole" in str(error_of(file_backup.part, Component("redis", ()), "/x"))


@pytest.mark.parametrize("path", ["/a/[1]*?.pdf", "/a/\\b", "/a b", "/plain"])
def test_a_pattern_that_means_one_path(path: str) -> None:
    pattern = file_backup.literal(path)
    # fnmatch has no escape of its own: a class of one character says the same.
    shell = pattern.replace("\\\\", "[\\]").replace("\\[", "[[]").replace("\\*", "[*]").replace("\\?", "[?]")
    assert fnmatch.fnmatchcase(path, shell)
    assert not fnmatch.fnmatchcase(path.replace("1", "2") + "x", shell)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/var/lib/docker/swarm", "running engine"),
        ("/opt/academy", "/opt/academy/backup"),
        ("/opt/academy/backup", "/opt/academy/backup"),
        ("/opt/academy/nginx", "/opt/academy/nginx/cache"),
        ("/opt/academy/nginx/conf", ""),
        ("/opt/academy/data/uploads", ""),
    ],
)
def test_what_must_not_be_replaced_in_place(path: str, words: str) -> None:
    state = Component("state", ("/opt/academy",), excludes=("/opt/academy/nginx/cache",))
    refusal = file_backup.in_place_refusal(state, path, "/opt/academy")
    assert words in refusal
    assert bool(refusal) is bool(words)


def test_a_sample_is_compared() -> None:
    probes = [Probe("/a", 1, 10, "x"), Probe("/b", 1, 10, "y"), Probe("/c", 1, 10, "z"), Probe("/d", 1, 10, "w")]
    restored = {
        "/a": probes[0],
        "/b": replace(probes[1], sha256="other"),
        "/c": replace(probes[2], modified=11, sha256="new"),
    }
    found = file_backup.compare(probes, restored)
    assert (found.same, found.changed) == (1, 2)
    assert found.different == ("/b has other content than when it was backed up",)


@pytest.mark.parametrize("probes", [[], [Probe("/a", 1, 10, "x")]])
def test_a_drill_that_compared_nothing_has_failed(probes: list[Probe]) -> None:
    assert "no file could be compared" in str(error_of(file_backup.compare, probes, {}))


def test_metrics_before_and_after_the_first_run() -> None:
    empty = render(file_metrics.samples(config(), "academy", {name: {} for name in file_metrics.RECORDS}, {}, 5))
    labels = 'component="uploads",repository="local",stack="academy"'
    assert f"firstbell_backup_files_newest_timestamp_seconds{{{labels}}} 0\n" in empty
    assert 'firstbell_backup_files_ok{command="files-drill",stack="academy"} 0\n' in empty
    state = {"newest": {"local": {"uploads": 1795387069.4}}, "read": {"local": {str(n): 7.0 + n for n in range(1, 8)}}}
    records = {"files-backup": {"ok": True, "components": {"uploads": {"files": 3, "size": 9, "added": 4}}}}
    text = render(file_metrics.samples(config(), "academy", records, state, 5))
    assert f"{{{labels}}} 1795387069.4\n" in text
    assert 'firstbell_backup_files_last_size_bytes{component="uploads",stack="academy"} 9\n' in text
    assert 'firstbell_backup_files_oldest_read_timestamp_seconds{repository="local",stack="academy"} 8\n' in text
    assert 'firstbell_backup_files_ok{command="files-backup",stack="academy"} 1\n' in text


def test_a_name_in_a_row_leads_to_a_file_of_that_directory() -> None:
    reference = config(references=[{"query": "SELECT path FROM x", "directory": "/srv/uploads/"}]).references[0]
    assert reference.path("books/a book.pdf") == "/srv/uploads/books/a book.pdf"
    assert reference.path("/cover.png") == "/srv/uploads/cover.png"
    for name in ("../../etc/shadow", "", ".", "books/../.."):
        assert "is not below /srv/uploads" in str(error_of(reference.path, name))
