# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the full name of an image that the collection builds."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_tag
short_description: The full name of an image that this collection builds
version_added: 1.0.0
description:
  - Gives C(firstbell/<name>:<tag>), with a tag that is a hash of everything that the image is made from.
  - The same content gives the same tag in every run and on every machine. It changes when a file, a base image, an
    argument of the build or the revision changes.
  - Builds nothing and asks no engine. M(firstbell.stack.image_build) makes the images.
author:
  - firstbell contributors (@firstbell)
options:
  _terms:
    description: Names of images, those of the collection such as V(postgres), or the name of an app's image.
    type: list
    elements: str
    required: true
  source:
    description:
      - The folder on the controller with the source of an app. The name is then that of the app's image.
      - Its C(.dockerignore) is honoured; C(.git), C(node_modules), C(.next), C(.env*) and logs are always left out.
    type: path
  template:
    description: How the source is built.
    type: str
    default: nextjs
  build_args:
    description: Arguments of the app's build.
    type: dict
    default: {}
    vars:
      - name: images_app_build_args
  build_env:
    description: Environment of the app's build. Only a hash of it becomes part of the tag.
    type: dict
    default: {}
    vars:
      - name: images_app_build_env
  revision:
    description: Any text. Another one gives every image another tag, so that all are built again from newer packages.
    type: str
    default: ""
    vars:
      - name: images_revision
"""

EXAMPLES = r"""
- name: Show the image of the database
  ansible.builtin.debug:
    msg: "{{ lookup('firstbell.stack.image_tag', 'postgres') }}"

- name: Show the image of an app that is built from source
  ansible.builtin.debug:
    msg: "{{ lookup('firstbell.stack.image_tag', 'app-academy', source='/home/me/academy') }}"
"""

RETURN = r"""
_raw:
  description: The full name of each image.
  type: list
  elements: str
  sample: [firstbell/postgres:0123456789ab]
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._core.errors import FirstbellError
from ..module_utils._io.image_sources import app_image, stack_image


class LookupModule(LookupBase):
    """Tags of images, computed from their files."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._reference(str(name)) for name in terms]
        except FirstbellError as error:
            raise AnsibleLookupError(str(error)) from error

    def _reference(self, name: str) -> str:
        revision = str(self._option("revision"))
        source = self.get_option("source")
        if not source:
            return stack_image(name, revision).reference
        return app_image(
            name,
            source,
            self.get_option("template"),
            build_args=self._option("build_args"),
            build_env=self._option("build_env"),
            revision=revision,
        ).reference

    def _option(self, name: str) -> Any:
        """An option that may come from a variable, which nobody has resolved yet."""
        return self._templar.template(self.get_option(name))
