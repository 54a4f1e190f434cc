# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's files on this machine, and the backup command for them with its own restic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration import s3_server
from integration.harness import COLLECTIONS, ROOT

STACK = "fbtestfil"
PACKAGE = "ansible_collections.firstbell.stack.plugins.module_utils"
KEY = "0Y2mzKsQGhH4UuwRk9kQm2yCqvWb1nU5m4Xh0aJd8xE="


@dataclass(frozen=True)
class Done:
    """What the command said."""

    code: int
    out: str
    err: str


def build_image(directory: Path, name: str = "restic") -> str:
    """An image of the collection, built where it is not there yet."""
    task = {"firstbell.stack.image_build": {"images": [name], "cache_directory": ""}, "register": "made"}
    copy = {"ansible.builtin.copy": {"content": "{{ made | to_json }}", "dest": str(directory / "made.json")}}
    book = [{"hosts": "localhost", "gather_facts": False, "tasks": [task, copy]}]
    (directory / "play.yml").write_text(json.dumps(book), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", str(directory / "play.yml")]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return str(json.loads((directory / "made.json").read_text(encoding="utf-8"))["images"][name]["reference"])


@dataclass
class Stack:
    """Directories as the role makes them, below ``top``; what is backed up is in ``uploads`` and ``state``."""

    top: Path
    image: str
    store: s3_server.Server | None = None
    patience: float = 60.0
    limits: dict[str, float] = field(default_factory=lambda: {"cpus": 2, "memory": 512 * 1024**2, "pids": 128})
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (
            "backup/files/repository",
            "backup/files/cache",
            "backup/files/s3",
            "backup/records",
            "data/uploads",
        ):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        for name in ("monitoring/textfile", "nginx/conf", "nginx/cache"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.set_key(KEY)
        if self.store:
            (self.files / "s3" / "ca.crt").write_text(self.store.ca, encoding="utf-8")
            self.set_credentials(self.store.secret_key)
        self.configure()

    @property
    def directory(self) -> Path:
        return self.top / "opt" / STACK

    @property
    def files(self) -> Path:
        return self.directory / "backup" / "files"

    @property
    def uploads(self) -> Path:
        return self.directory / "data" / "uploads"

    @property
    def config(self) -> Path:
        return self.directory / "backup" / "backup.json"

    def set_key(self, key: str) -> None:
        (self.files / "key").write_text(key + "\n", encoding="utf-8")

    def set_credentials(self, secret: str) -> None:
        assert self.store
        text = f"[default]\naws_access_key_id = {self.store.access_key}\naws_secret_access_key = {secret}\n"
        (self.files / "s3" / "credentials").write_text(text, encoding="utf-8")

    def configure(self, **more: Any) -> None:
        """Write the configuration; ``more`` changes settings of the files."""
        self.settings.update(more)
        files: dict[str, Any] = {
            "image": self.image,
            "redis_image": "",
            "limits": self.limits,
            "host": f"{STACK}@here",
            "least_free": 0,
            "components": [
                {"name": "uploads", "paths": [str(self.uploads)]},
                {
                    "name": "state",
                    "paths": [str(self.directory)],
                    "excludes": [
                        str(self.directory / name) for name in ("data", "backup", "nginx/cache", "monitoring")
                    ],
                },
            ],
        }
        if self.store:
            files["store"] = {
                "location": f"s3:{self.store.endpoint}/{self.store.bucket}/{self.top.name}/files",
                "region": self.store.region,
                "style": "path",
                "network": "bridge",
                "authority": True,
                "patience": self.patience,
            }
        postgres = {"image": "", "major": 17, "database": STACK, "limits": self.limits}
        config = {
            "stack": STACK,
            "directory": str(self.directory),
            "postgres": postgres,
            "files": {**files, **self.settings},
        }
        self.config.write_text(json.dumps(config), encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command of the host, as its timers run it."""
        code = f"import sys; from {PACKAGE}._backup.cli import main; sys.exit(main({str(self.config)!r}, sys.argv[1:]))"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Done:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)

    def must(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.code == 0, done.err
        return done.out

    def refused(self, *arguments: str) -> str:
        """What the command says when it fails; it must."""
        done = self.run(*arguments)
        assert done.code == 1, done.out + done.err
        return done.err

    def record(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "backup/records" / f"{name}.json").read_text())
        return found

    def metrics(self) -> dict[str, float]:
        text = (self.directory / "monitoring/textfile" / f"{STACK}_backup_files.prom").read_text()
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {
            name.replace(f',stack="{STACK}"', "").removeprefix("firstbell_backup_files_"): float(v) for name, v in lines
        }

    def packs(self) -> list[Path]:
        """The data of the repository, the largest first."""
        found = [path for path in (self.files / "repository/data").rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: -path.stat().st_size)
