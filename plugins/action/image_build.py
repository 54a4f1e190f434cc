# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of image_build: computes the tags, and packs what has to be built."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._core import images
from ..module_utils._core.errors import FirstbellError, InputError
from ..module_utils._core.images import Image
from ..module_utils._io.image_sources import app_image, pack, read_catalogue, stack_image

MODULE = "firstbell.stack.image_build"
APP = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "template": {"type": "str", "default": "nextjs"},
    "build_args": {"type": "dict", "default": {}},
    "build_env": {"type": "dict", "default": {}, "no_log": True},
}
ARGUMENTS = {
    "images": {"type": "list", "elements": "str", "default": []},
    "apps": {"type": "list", "elements": "dict", "default": [], "options": APP},
    "build_secrets": {"type": "dict", "default": {}, "no_log": False},
    "ca_bundle": {"type": "path"},
    "revision": {"type": "str", "default": ""},
}
#: Options that only the host's part needs; it checks them and knows their defaults.
HOST_OPTIONS = (
    "mirror",
    "security_mirror",
    "cache_directory",
    "cache_max_age_days",
    "cache_max_size",
    "parallel",
    "timeout",
)


@dataclass(frozen=True)
class Wanted:
    """An image to be there in the end, or (not ``asked``) one that others are built on."""

    image: Image
    asked: bool
    suite: str
    source: str = ""
    build_args: dict[str, str] = field(default_factory=dict)
    build_env: dict[str, str] = field(default_factory=dict)

    def request(self, **more: Any) -> dict[str, Any]:
        """What the host's part is told."""
        definition = self.image.definition
        build_args = {**self.build_args}
        if self.build_env:
            build_args["BUILD_ENV_HASH"] = images.build_env_hash(self.build_env)
        return {
            "name": definition.name,
            "reference": self.image.reference,
            "base_reference": self.image.base_reference,
            "wanted": self.asked,
            "suite": self.suite,
            "packages": list(definition.packages),
            "template": definition.template,
            "build_args": build_args,
            **more,
        }


def collect(args: dict[str, Any]) -> dict[str, Wanted]:
    """The images that are asked for and all that they stand on, by name."""
    catalogue, revision = read_catalogue(), args["revision"]
    wanted: dict[str, Wanted] = {}

    def add(name: str, asked: bool) -> str:
        names = images.chain(catalogue.images, name)
        suite = catalogue.images[names[0]].suite
        for below in names:
            asked_now = (asked and below == name) or (below in wanted and wanted[below].asked)
            wanted[below] = Wanted(stack_image(below, revision), asked_now, suite)
        return suite

    for name in args["images"]:
        add(name, asked=True)
    for app in args["apps"]:
        if app["name"] in wanted:
            raise InputError(f"the image {app['name']} is given twice")
        image = app_image(
            app["name"],
            app["source"],
            app["template"],
            build_args=app["build_args"],
            build_env=app["build_env"],
            revision=revision,
        )
        suite = add(image.definition.base, asked=False)
        build_args, build_env = _texts(app["build_args"]), _texts(app["build_env"])
        wanted[image.name] = Wanted(image, True, suite, app["source"], build_args, build_env)
    return wanted


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


class ActionModule(ActionBase):
    """Asks the host what is missing, sends just that, and lets it build."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = {**ARGUMENTS, **{name: {"type": "raw"} for name in HOST_OPTIONS}}
        _checked, args = self.validate_argument_spec(argument_spec=arguments)
        self._options = {name: args[name] for name in HOST_OPTIONS if args[name] is not None}
        self._task_vars = task_vars
        try:
            wanted = collect(args)
            found = self._step("survey", [item.request() for item in wanted.values()])
            result.update(found)
            if not found.get("failed") and found["missing"] and not self._task.check_mode:
                made = self._make([wanted[name] for name in found["missing"]], args)
                result.pop("missing")
                result.update({**made, "images": {**self._done(found), **made.get("images", {})}})
                result["changed"] = bool(made.get("changed")) or any(
                    image["state"] != "present" for image in self._done(found).values()
                )
        except FirstbellError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        if self._task.diff and not result.get("failed"):
            result["diff"] = self._difference(result["images"])
        return result

    @staticmethod
    def _done(found: dict[str, Any]) -> dict[str, Any]:
        return {name: image for name, image in found["images"].items() if name not in found["missing"]}

    def _step(self, step: str, requests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        arguments = {**self._options, **more, "request": {"step": step, "images": requests}}
        answer: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args=arguments, task_vars=self._task_vars
        )
        answer.pop("invocation", None)
        return answer

    def _make(self, missing: list[Wanted], args: dict[str, Any]) -> dict[str, Any]:
        remote = self._connection._shell.tmpdir or self._make_tmp_path()
        secrets = {}
        for name, path in args["build_secrets"].items():
            secrets[name] = self._send(self._file(str(path)), f"{remote}/secret-{name}")
        ca_bundle = self._send(self._file(args["ca_bundle"]), f"{remote}/ca_bundle") if args["ca_bundle"] else None
        requests = []
        with tempfile.TemporaryDirectory(prefix="firstbell-") as folder:
            for item in missing:
                local = Path(folder) / "context.tar"
                pack(item.image, local, item.source)
                context = self._send(str(local), f"{remote}/{item.image.name}.tar")
                own = dict(secrets) if item.image.base_reference else {}
                if item.build_env:
                    local.write_text(images.environment_lines(item.build_env), encoding="utf-8")
                    own["build_env"] = self._send(str(local), f"{remote}/{item.image.name}.env")
                requests.append(item.request(context=context, secrets=own))
        return self._step("make", requests, ca_bundle=ca_bundle)

    def _send(self, local: str, remote: str) -> str:
        self._transfer_file(local, remote)
        return remote

    @staticmethod
    def _file(path: str) -> str:
        if not Path(path).is_file():
            raise InputError(f"there is no file {path} on the controller")
        return path

    @staticmethod
    def _difference(found: dict[str, Any]) -> dict[str, str]:
        after = sorted(image["reference"] for image in found.values())
        before = sorted(image["reference"] for image in found.values() if image["state"] == "present")
        return {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}
