# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic in throw-away containers: the repositories of the files of a stack.

The container is root, as the key and the repository must not be readable for the services' user,
and has no capabilities but those that its work needs: one that reads every file of the host has no
network, one that has a network sees ciphertext, the key, and nothing else of the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core import file_backup, restic
from .._core.errors import FirstbellError
from .._core.file_backup import LOCAL, S3, FilesConfig
from .._core.restic import Answer, ResticError, Snapshot
from .._io import docker_cli, system
from .host import Host

READ = ("DAC_READ_SEARCH",)
WRITE = ("CHOWN", "DAC_OVERRIDE", "FOWNER")


class Files:
    """The files of a stack, their repositories, and what is remembered of them."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.config: FilesConfig = file_backup.parse(host.config)
        self.directory = f"{host.config.backup}/files"

    # -- what is remembered

    @property
    def key(self) -> str:
        """The fingerprint of the key that the vault holds now."""
        text = system.read_text(f"{self.directory}/key")
        if not text:
            raise FirstbellError(f"{self.directory}/key is missing or empty; run the playbook site")
        return file_backup.fingerprint(text)

    def state(self) -> dict[str, Any]:
        """Known snapshots, and which part of the data was read when, by repository."""
        text = system.read_text(f"{self.directory}/state.json")
        try:
            state: dict[str, Any] = json.loads(text) if text else {}
        except ValueError:
            raise FirstbellError(
                f"{self.directory}/state.json is damaged; remove it: rm {self.directory}/state.json"
            ) from None
        return state

    def remember(self, state: Mapping[str, Any]) -> None:
        system.write_text(f"{self.directory}/state.json", json.dumps(state, indent=2, sort_keys=True) + "\n", 0o600)

    @contextlib.contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Keep every other command for files out."""
        with self.host.lock(what, name="files/lock"):
            yield

    # -- restic

    def run(
        self,
        repository: str,
        arguments: Sequence[str],
        *,
        mounts: Sequence[str] = (),
        capabilities: Sequence[str] = (),
        source: str = "",
        hostname: str = "",
    ) -> Answer:
        """Run a command of restic in a repository. A lock of a dead command is removed, once.

        ``source``: another repository that the command reads from.
        """
        argv = [*self._argv(repository, mounts, capabilities, source, hostname), *arguments]
        answer = self._once(repository, argv, source)
        if answer.code == restic.LOCKED and self._unlock(repository):
            answer = self._once(repository, argv, source)
        if answer.code == restic.WRONG_KEY:
            raise ResticError(file_backup.key_refusal(self.key, "", self.location(repository)), "key")
        if answer.code == restic.NO_REPOSITORY and self.recorded_key(repository):
            raise ResticError(
                f"the repository {self.location(repository)} is gone, with all its backups. Bring it back, or accept "
                f"the loss and let the next backup begin a new one: rm {self._marker(repository)}",
                "gone",
            )
        return answer

    def _once(self, repository: str, argv: Sequence[str], source: str = "") -> Answer:
        store = self.config.store if S3 in (repository, source) else None
        patience = store.patience if store else 86400.0
        self.host.remove("restic")
        try:
            # All that it does may be done twice.
            done = docker_cli.run(argv, check=False, timeout=patience, answers=True)
        except system.CommandTimeoutError:
            raise ResticError(
                f"{self.location(repository)} did not do its work within {patience:g} s", "unreachable"
            ) from None
        finally:
            # A client that was killed, or whose time was up, leaves its container behind.
            self.host.remove("restic")
        return restic.parse(done.code, done.out, done.err)

    def location(self, repository: str) -> str:
        """Where a repository is, for messages."""
        store = self.config.store
        return store.location if store and repository == S3 else f"{self.directory}/repository"

    def _argv(
        self, repository: str, mounts: Sequence[str], capabilities: Sequence[str], source: str, hostname: str
    ) -> list[str]:
        limits, store = self.config.limits, self.config.store
        if capabilities == WRITE:
            # Somebody waits for what is restored.
            limits = replace(limits, cpus=float(os.cpu_count() or 1))
        all_mounts = [f"type=bind,source={self.directory}/key,target=/run/key,readonly", *mounts]
        options: list[str] = ["--json", "--password-file", "/run/key", "--cache-dir", "/cache", "--cleanup-cache"]
        all_mounts.append(f"type=bind,source={self.directory}/cache,target=/cache")
        network, environment = "none", ["RESTIC_PROGRESS_FPS=0.05"]
        if LOCAL in (repository, source):
            mode = ",readonly" if source == LOCAL else ""
            all_mounts.append(f"type=bind,source={self.directory}/repository,target=/repository{mode}")
        if S3 in (repository, source):
            if store is None:
                raise FirstbellError("there is no repository in S3: backup_s3 is empty")
            network = store.network
            all_mounts.append(f"type=bind,source={self.directory}/s3,target=/run/s3,readonly")
            environment.append("AWS_SHARED_CREDENTIALS_FILE=/run/s3/credentials")
            options += ["-o", f"s3.region={store.region}", "-o", f"s3.bucket-lookup={store.style}"]
            options += ["--cacert", "/run/s3/ca.crt"] if store.authority else []
        places = {LOCAL: "/repository", S3: store.location if store else ""}
        options += ["--repo", places[repository]]
        if source:
            options += ["--from-repo", places[source], "--from-password-file", "/run/key"]
        return [
            *("docker", "run", "--rm", "--name", self.host.container_name("restic")),
            *("--hostname", hostname or self.config.host, "--network", network),
            *("--user", "0:0", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *(part for name in capabilities for part in ("--cap-add", name)),
            *limits.options(),
            *(
                "--tmpfs",
                "/tmp:mode=1777,size=256m",  # noqa: S108 (in the container)
                "--log-driver",
                "none",
            ),
            *(part for mount in all_mounts for part in ("--mount", mount)),
            *(part for variable in environment for part in ("--env", variable)),
            *("--entrypoint", "restic", self.config.image, *options),
        ]

    def _plain(self, repository: str, *arguments: str) -> Answer:
        return self._once(repository, [*self._argv(repository, (), (), "", ""), *arguments])

    def _unlock(self, repository: str) -> bool:
        """Remove the locks of dead commands; whether there is a point in trying again."""
        listed = self._plain(repository, "list", "locks", "--no-lock")
        now = time.time()
        locks = []
        for name in listed.words:
            answer = self._plain(repository, "cat", "lock", name, "--no-lock")
            locks += [restic.lock(document, now) for document in answer.documents if isinstance(document, dict)]
        if restic.may_unlock(locks, self.config.host):
            restic.require(self._plain(repository, "unlock", "--remove-all"), "removing dead locks")
            return True
        others = ", ".join(sorted({lock.host for lock in locks if lock.host != self.config.host}))
        raise ResticError(
            f"{self.location(repository)} is in use by {others}; wait for its end, then try again", "locked"
        )

    # -- repositories

    def snapshots(self, repository: str) -> tuple[Snapshot, ...]:
        """What can be restored from a repository; ResticError where it cannot be opened."""
        answer = self.run(repository, ["snapshots", "--no-lock"])
        restic.require(answer, f"opening {self.location(repository)}")
        return restic.snapshots(answer)

    def forget(self, repository: str, state: dict[str, Any]) -> None:
        """Remove what is old enough, and remember what is left."""
        answer = self.run(repository, file_backup.forget_arguments(self.config))
        restic.require(answer, f"removing old backups from {self.location(repository)}")
        known = state.setdefault("snapshots", {}).setdefault(repository, {})
        for snapshot in restic.forgotten(answer):
            known.pop(snapshot, None)
        self.note(repository, state, restic.kept(answer))

    @staticmethod
    def note(repository: str, state: dict[str, Any], present: Sequence[Snapshot]) -> None:
        """Remember what is there. What somebody else removes stays known, for the check to miss it."""
        known = state.setdefault("snapshots", {}).setdefault(repository, {})
        known.update({item.id: item.time for item in present})
        state.setdefault("newest", {})[repository] = {item.component: item.time for item in present}

    def exists(self, repository: str) -> bool:
        """Whether there is a repository; ResticError where that cannot be told, or the key is not its."""
        try:
            self.snapshots(repository)
        except ResticError as error:
            if error.kind == "missing":
                return False
            raise
        return True

    def recorded_key(self, repository: str) -> str:
        """The fingerprint that lies beside the repository, or nothing."""
        return (system.read_text(self._marker(repository)) or "").strip()

    def _marker(self, repository: str) -> str:
        return f"{self.directory}/{repository}.fingerprint"

    def compare_key(self, repository: str) -> None:
        """Refuse a key that is not the repository's own."""
        recorded = self.recorded_key(repository)
        if recorded and recorded != self.key:
            raise ResticError(file_backup.key_refusal(self.key, recorded, self.location(repository)), "key")

    def assure(self, repository: str) -> bool:
        """See that the key is the repository's own, and that there is one; whether it was made now.

        One that was there before and is gone is not made anew, so that the loss is seen.
        """
        self.compare_key(repository)
        if self.recorded_key(repository):
            return False
        made = not self.exists(repository)
        if made:
            self._make(repository)
        system.write_text(self._marker(repository), self.key + "\n")
        return made

    def _make(self, repository: str) -> None:
        """Make it, with the other one's parameters where there is one: what both hold is cut alike then.

        The key's fingerprint becomes the host name in the repository's key file, which anybody can
        read who has the repository but not the key.
        """
        other = next((name for name in self.config.repositories if name != repository), "")
        arguments = ["init"]
        if other and self._is_there(other):
            arguments.append("--copy-chunker-params")
        else:
            other = ""
        answer = self.run(repository, arguments, source=other, hostname=f"key-{self.key}")
        restic.require(answer, f"making the repository {self.location(repository)}")

    def _is_there(self, repository: str) -> bool:
        try:
            return self.exists(repository)
        except ResticError:
            return False

    def restore(self, repository: str, what: str, paths: Sequence[str], target: str) -> None:
        """Restore paths of a snapshot, or of a folder of it (``<id>:<folder>``), and read them back."""
        includes = [part for path in paths for part in ("--include", file_backup.literal(path))]
        answer = self.run(
            repository,
            ["restore", what, "--target", "/target", "--verify", "--no-lock", *includes],
            mounts=[f"type=bind,source={target},target=/target"],
            capabilities=WRITE,
        )
        restic.require(answer, f"restoring {what} from {self.location(repository)}")
        if answer.complaints:
            raise ResticError(f"restoring {what} is not complete: {'; '.join(answer.complaints[:5])}", "incomplete")

    def free(self) -> int:
        """Bytes that are free where the repository of the host is."""
        return shutil.disk_usage(self.directory).free

    def sources(self, paths: Sequence[str]) -> list[str]:
        """Mounts of those paths of the host, as a backup holds them."""
        return [
            f"type=bind,source={path},target={file_backup.inside(path)},readonly"
            for path in paths
            if os.path.exists(path)
        ]
