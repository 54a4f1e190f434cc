# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups of files: real restic, a real S3 server, and each of the ways in which they are lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration import s3_server
from integration.files_stack import STACK, Stack, build_image

pytestmark = pytest.mark.engine

CONTAINER = f"{STACK}-backup-restic-files"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def store() -> Iterator[s3_server.Server]:
    with s3_server.running() as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, image: str) -> Stack:
    """A stack with uploads and a repository on the host only."""
    made = Stack(tmp_path, image)
    made.configure(components=[{"name": "uploads", "paths": [str(made.uploads)]}])
    fill(made.uploads)
    return made


def fill(directory: Path) -> None:
    """Files whose names, owners and modes must survive."""
    (directory / "books").mkdir()
    for name in ("a [1]*?.pdf", "ümlaut 本.pdf", "plain.pdf"):
        (directory / "books" / name).write_bytes(os.urandom(120_000))
    os.chown(directory / "books" / "plain.pdf", 1001, 1001)
    (directory / "books" / "plain.pdf").chmod(0o640)


def restic(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """restic itself, past the command."""
    mounts = [f"{stack.files}/repository:/repository", f"{stack.files}/key:/run/key:ro"]
    command = [
        "docker",
        "run",
        "--rm",
        "--name",
        CONTAINER,
        "--user",
        "0:0",
        "--network",
        "none",
        "--hostname",
        "elsewhere",
    ]
    command += [part for mount in mounts for part in ("--volume", mount)]
    command += [stack.image, "--no-cache", "--repo", "/repository", "--password-file", "/run/key", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_backup_and_restore_from_both_repositories(tmp_path: Path, image: str, store: s3_server.Server) -> None:
    stack = Stack(tmp_path / "first", image, store)
    fill(stack.uploads)
    (stack.directory / "nginx/conf/nginx.conf").write_text("http {}", encoding="utf-8")
    (stack.directory / "nginx/cache/page").write_text("of no use", encoding="utf-8")
    begun = int(time.time())
    stack.must("files-backup")
    assert stack.record("files-backup")["ok"]
    drilled = stack.must("files-drill", "--from", "s3")
    assert "uploads: 3 files" in drilled
    assert stack.record("files-drill")["same"] == 4
    stack.must("files-check", "--all")
    metrics = stack.metrics()
    for repository in ("local", "s3"):
        newest = metrics[f'newest_timestamp_seconds{{component="state",repository="{repository}"}}']
        assert begun <= newest <= time.time()

    # The host is lost; another one has the vault and the store.
    shutil.rmtree(stack.directory)
    stack = Stack(tmp_path / "first", image, store)
    stack.must("files-restore", "uploads", "--from", "s3", "--in-place", "--confirm", STACK)
    assert sorted(path.name for path in (stack.uploads / "books").iterdir()) == [
        "a [1]*?.pdf",
        "plain.pdf",
        "ümlaut 本.pdf",
    ]
    status = (stack.uploads / "books" / "plain.pdf").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (1001, 0o640)
    aside = tmp_path / "aside"
    stack.must("files-restore", "state", "--from", "s3", "--to", str(aside))
    restored = {path.name for path in aside.rglob("*") if path.is_file()}
    assert restored == {"nginx.conf", "manifest.json"}

    # Its own backups go on in the same repository when told, and what both hold is cut alike.
    assert "backups of an earlier host" in stack.refused("files-backup")
    assert "backups of an earlier host" in stack.refused("files-backup", "--first")
    out = stack.must("files-backup", "--component", "uploads", "--adopt")
    assert "as " in out
    assert stack.must("files-list", "--from", "s3").count("uploads") == 2
    stored = sum(path.stat().st_size for path in stack.packs())
    assert stored < 600_000
    stack.must("files-check", "--repository", "s3")


def test_a_flipped_byte_is_found_by_the_rotating_check(stack: Stack) -> None:
    stack.configure(subsets=2)
    stack.must("files-backup")
    for _ in range(2):
        stack.must("files-check")
    assert stack.metrics()['oldest_read_timestamp_seconds{repository="local"}'] > 0
    pack = stack.packs()[0]
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    assert restic(stack, "check").returncode == 0, "what the check that does not read the data says"
    said = ""
    for _ in range(2):
        said = stack.run("files-check").err
        if said:
            break
    assert f"damaged: data/{pack.name[:2]}/{pack.name}" in said
    assert stack.metrics()['ok{command="files-check"}'] == 0
    # It stays red until it is mended, and a drill of that backup fails.
    assert "damaged" in stack.refused("files-check")
    assert "restoring" in stack.refused("files-drill")
    assert not stack.record("files-drill")["ok"]


def test_vanished_backups_are_missed(stack: Stack) -> None:
    for _ in range(2):
        stack.must("files-backup")
    (snapshot, *_rest) = (stack.files / "repository/snapshots").iterdir()
    snapshot.unlink()
    assert restic(stack, "check").returncode == 0, "what restic says"
    stack.must("files-backup")
    said = stack.refused("files-check")
    assert "1 backups have vanished" in said
    assert snapshot.name[:8] in said
    stack.must("files-check", "--accept")
    stack.must("files-check")


def test_a_wrong_key_is_refused_before_anything_is_written(stack: Stack) -> None:
    stack.must("files-backup")
    before = sorted(path for path in (stack.files / "repository").rglob("*"))
    recorded = (stack.files / "local.fingerprint").read_text().strip()
    stack.set_key("another" * 6)
    for command in ("files-backup", "files-check"):
        said = stack.refused(command)
        assert recorded in said
        assert "Bring the vault back" in said
    (stack.files / "local.fingerprint").unlink()
    assert "not that of" in stack.refused("files-backup")
    assert sorted(path for path in (stack.files / "repository").rglob("*")) == before


def test_a_repository_that_is_gone_is_not_silently_made_anew(stack: Stack) -> None:
    stack.must("files-backup")
    shutil.rmtree(stack.files / "repository")
    (stack.files / "repository").mkdir()
    said = stack.refused("files-backup")
    assert "is gone, with all its backups" in said
    subprocess.run(said[said.index("rm /") :].split(), check=True)
    stack.must("files-backup")


def test_a_lock_of_a_dead_command_is_removed_and_one_of_another_host_respected(stack: Stack) -> None:
    stack.must("files-backup")

    def locks() -> list[str]:
        """Those that are written: one that restic is cut off in is none."""
        names = [path.name for path in (stack.files / "repository/locks").iterdir()]
        return [name for name in names if "-tmp-" not in name]

    def leave_lock(host: str) -> None:
        mounts = [f"{stack.files}/repository:/repository", f"{stack.files}/key:/run/key:ro"]
        command = ["docker", "run", "--detach", "--user", "0:0", "--network", "none", "--hostname", host]
        command += [part for mount in mounts for part in ("--volume", mount)]
        command += [stack.image, "--no-cache", "--repo", "/repository", "--password-file", "/run/key"]
        command += ["--limit-download", "1", "check", "--read-data"]
        container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        try:
            end = time.monotonic() + 30
            while not locks():
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)

    leave_lock(f"{STACK}@here")
    stack.must("files-backup")
    assert not locks()
    leave_lock("elsewhere")
    assert "is in use by elsewhere" in stack.refused("files-backup")
    assert len(locks()) == 1


def test_an_interrupted_backup_does_no_harm(stack: Stack) -> None:
    stack.must("files-backup")
    (stack.uploads / "large").write_bytes(os.urandom(64 * 1024**2))
    packs = len(stack.packs())
    limits = stack.limits
    stack.configure(limits={**limits, "cpus": 0.2})
    process = stack.start("files-backup")
    end = time.monotonic() + 60
    while len(stack.packs()) == packs:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stack.configure(limits=limits)
    stack.must("files-backup")
    assert (
        subprocess.run(["docker", "ps", "-q", "-f", f"name={CONTAINER}"], capture_output=True, check=True).stdout == b""
    )
    stack.must("files-check", "--all")
    assert stack.must("files-list").count("uploads") == 2
    stack.must("files-drill")


def test_a_full_disk(stack: Stack) -> None:
    repository = stack.files / "repository"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", repository], check=True)
    try:
        stack.must("files-backup")
        (stack.uploads / "large").write_bytes(os.urandom(16 * 1024**2))
        said = stack.refused("files-backup")
        assert "is full" in said
        assert "backup_retention_days" in said
        assert not stack.record("files-backup")["ok"]
        (stack.uploads / "large").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", repository], check=True)
        stack.must("files-check", "--all")
        stack.must("files-drill")
        stack.must("files-backup")
    finally:
        subprocess.run(["umount", "--lazy", repository], check=True)


def test_room_for_the_database_is_kept(stack: Stack) -> None:
    stack.configure(least_free=10**15)
    assert "backup_minimum_free keeps" in stack.refused("files-backup")
    assert not list((stack.files / "repository").iterdir())


def test_an_outage_of_the_store(tmp_path: Path, image: str, store: s3_server.Server) -> None:
    stack = Stack(tmp_path, image, store, patience=8)
    stack.configure(components=[{"name": "uploads", "paths": [str(stack.uploads)]}])
    fill(stack.uploads)
    stack.must("files-backup")
    with store.outage():
        said = stack.refused("files-backup")
    assert "did not do its work within 8 s" in said
    record = stack.record("files-backup")
    assert "uploads" in record["components"], "the one on the host was made"
    assert len(record["failures"]) == 1
    stack.set_credentials("wrong")
    assert "Access Denied" in stack.refused("files-backup")
    stack.set_credentials(store.secret_key)
    stack.must("files-backup")
    assert stack.must("files-list", "--from", "s3").count("uploads") == 4


def test_a_missing_path_is_named_and_the_rest_is_backed_up(stack: Stack) -> None:
    gone = stack.top / "gone"
    stack.configure(components=[{"name": "uploads", "paths": [str(stack.uploads), str(gone)]}])
    said = stack.refused("files-backup")
    assert f"{gone} does not exist" in said
    assert stack.must("files-list").count("uploads") == 1


def test_what_a_restore_refuses(stack: Stack) -> None:
    stack.must("files-backup")
    book = stack.uploads / "books" / "a [1]*?.pdf"
    content = book.read_bytes()
    book.write_bytes(b"overwritten")
    place = ["files-restore", "uploads", "--path", str(book)]
    assert f"add: --confirm {STACK}" in stack.refused(*place, "--in-place")
    assert f"add: --confirm {STACK}" in stack.refused(*place, "--in-place", "--confirm", "another")
    assert "not empty" in stack.refused(*place, "--to", str(stack.uploads))
    assert "not in the backup of uploads" in stack.refused("files-restore", "uploads", "--path", "/etc/passwd")
    assert "made later" in stack.refused(*place, "--at", "2020-01-01T00:00:00+00:00")
    assert "not come yet" in stack.refused(*place, "--at", "2120-01-01T00:00:00+00:00")
    assert "has no time zone" in stack.refused(*place, "--at", "2020-01-01T00:00:00")
    assert "there is no component" in stack.refused("files-restore", "upload")
    assert book.read_bytes() == b"overwritten"

    stack.must(*place, "--in-place", "--confirm", STACK)
    assert book.read_bytes() == content
    (old,) = book.parent.glob("*.before-*")
    assert old.read_bytes() == b"overwritten"
    assert len(list(book.parent.iterdir())) == 4


def test_old_backups_are_forgotten(stack: Stack) -> None:
    for number in range(4):
        (stack.uploads / "day").write_text(str(number), encoding="utf-8")
        stack.must("files-backup")
    listed = stack.must("files-list")
    assert listed.count("uploads") == 4
    stack.configure(keep_all_days=0, keep_days=0)
    stack.must("files-backup")
    assert stack.must("files-list").count("uploads") == 3
    stack.must("files-check")
