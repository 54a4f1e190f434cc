# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates what is missing in a vault-encrypted file, on the controller."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.vault import AnsibleVaultError, VaultLib, VaultSecret
from ansible.plugins.action import ActionBase

from ..module_utils._core.secrets import generate, kind_of


class ActionModule(ActionBase):
    """Never prints, returns or logs a value."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "path": {"type": "path", "required": True},
                "variable": {"type": "str", "default": "firstbell_secrets"},
                "names": {"type": "list", "elements": "str", "required": True},
                "password_file": {"type": "path", "required": True},
            },
        )
        path, password_file = Path(args["path"]), Path(args["password_file"])
        if path.exists() and not password_file.exists():
            raise AnsibleError(f"{path} exists, but its password {password_file} does not. Bring the password back.")
        new_password = not password_file.exists()
        password = generate("password") if new_password else password_file.read_text(encoding="utf-8").strip()
        vault = VaultLib([("default", VaultSecret(password.encode()))])

        content = self._read(vault, path, password_file)
        held = content.setdefault(str(args["variable"]), {})
        missing = [str(name) for name in args["names"] if name not in held]
        result.update(changed=bool(missing or new_password), generated=missing, path=str(path))
        if result["changed"] and not self._task.check_mode:
            held.update({name: generate(kind_of(name)) for name in missing})
            if new_password:
                self._write(password_file, password.encode() + b"\n")
            self._write(path, vault.encrypt(yaml.safe_dump(content, explicit_start=True)))
        return result

    @staticmethod
    def _read(vault: VaultLib, path: Path, password_file: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        try:
            return yaml.safe_load(vault.decrypt(path.read_bytes())) or {}
        except AnsibleVaultError as error:
            raise AnsibleError(f"{password_file} does not open {path}: {error}") from error

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """Replace the file in one step; it is never readable for others."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
