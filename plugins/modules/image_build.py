#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Make the images of the stack on a host
version_added: 1.0.0
description:
  - Makes sure that the engine of a host has all the given images, with the tags that the lookup
    P(firstbell.stack.image_tag#lookup) gives. What is there is left alone, what the cache directory holds is loaded,
    and the rest is built. No registry is needed.
  - The base image is made from Debian's signed archive by C(mmdebstrap), everything else by BuildKit on top of it.
  - Only the build contexts of images that have to be built are sent to the host.
  - The package mirror, the proxy and the CA certificates that the host itself uses are used in the builds as well.
    None of them becomes part of an image.
author:
  - firstbell contributors (@firstbell)
options:
  images:
    description: Names of the collection's own images.
    type: list
    elements: str
    default: []
  apps:
    description: Apps to build from source.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the image.
        type: str
        required: true
      source:
        description:
          - The folder with the source on the controller.
          - Its C(.dockerignore) is honoured; C(.git), C(node_modules), C(.next), C(.env*) and logs are never sent.
        type: path
        required: true
      template:
        description: How the source is built.
        type: str
        default: nextjs
      build_args:
        description: Arguments of the build. They are public, for they stay in the history of the image.
        type: dict
        default: {}
      build_env:
        description: Environment of the build. It reaches the build as a secret.
        type: dict
        default: {}
  build_secrets:
    description:
      - Further files on the controller that the builds may read as BuildKit secrets, such as V(npmrc) or V(pip), by id.
      - They must not influence the result, because they do not change the tag.
    type: dict
    default: {}
  ca_bundle:
    description: A file on the controller with CA certificates that the builds trust beside those that the host trusts.
    type: path
  mirror:
    description: The Debian archive. By default the one that the host itself uses.
    type: str
    default: ""
  security_mirror:
    description: The archive with Debian's security updates. By default the one that the host itself uses.
    type: str
    default: ""
  revision:
    description:
      - Any text. Another one gives every image another tag, so that all are built again from newer packages.
      - The lookup has to be given the same one; by itself it reads the variable C(images_revision).
    type: str
    default: ""
  cache_directory:
    description: Where the host keeps a file of each image that it has built. Empty keeps none.
    type: str
    default: /var/cache/firstbell/images
  cache_max_age_days:
    description: Files that were not used for so many days are deleted when something is built.
    type: int
    default: 90
  cache_max_size:
    description: The longest unused files above this size in all are deleted when something is built.
    type: str
    default: 10GB
  parallel:
    description: How many images are built at a time where they do not need one another.
    type: int
    default: 2
  timeout:
    description: After how many seconds a single build is given up.
    type: int
    default: 3600
  request:
    description: What the controller's part of this module tells its part on the host. Not to be given.
    type: dict
    default: {}
requirements:
  - Docker with BuildKit on the host (Debian's C(docker.io), from version 23 on with C(docker-buildx))
  - mmdebstrap on the host, where the base image has to be made
attributes:
  check_mode:
    description: Tells which images would be loaded or built, also on a host that has no Docker yet.
    support: full
  diff_mode:
    description: Shows the tags that are added.
    support: full
"""

EXAMPLES = r"""
- name: Make the images of the database and of the app
  firstbell.stack.image_build:
    images: [postgres, pgbouncer]
    apps:
      - name: app-academy
        source: "{{ playbook_dir }}/../academy"
        build_args:
          NEXT_PUBLIC_TITLE: Academy
"""

RETURN = r"""
images:
  description: Each image by its name.
  type: dict
  returned: success
  sample:
    postgres: {reference: "firstbell/postgres:0123456789ab", state: built, seconds: 12.3, size: 87100000}
  contains:
    reference:
      description: The full name with the tag.
      type: str
    state:
      description: V(built), V(loaded) from the cache, or V(present). In check mode what it would be.
      type: str
    seconds:
      description: How long it took.
      type: float
    size:
      description: Bytes; none in check mode where it is not there yet.
      type: int
missing:
  description: Names of the images that have to be built, the ones that others need first.
  type: list
  elements: str
  returned: in check mode
"""

from typing import Any

from ..module_utils._core.units import parse_size
from ..module_utils._io import image_make
from ..module_utils._shell import Context, run


def main() -> None:
    """The host's part. The controller's part (plugins/action/image_build.py) turns images and apps into the request."""
    app = {
        "name": {"type": "str", "required": True},
        "source": {"type": "path", "required": True},
        "template": {"type": "str", "default": "nextjs"},
        "build_args": {"type": "dict", "default": {}},
        "build_env": {"type": "dict", "default": {}, "no_log": True},
    }
    arguments = {
        "images": {"type": "list", "elements": "str", "default": []},
        "apps": {"type": "list", "elements": "dict", "default": [], "options": app},
        "build_secrets": {"type": "dict", "default": {}, "no_log": False},
        "ca_bundle": {"type": "path"},
        "mirror": {"type": "str", "default": ""},
        "security_mirror": {"type": "str", "default": ""},
        "revision": {"type": "str", "default": ""},
        "cache_directory": {"type": "str", "default": "/var/cache/firstbell/images"},
        "cache_max_age_days": {"type": "int", "default": 90},
        "cache_max_size": {"type": "str", "default": "10GB"},
        "parallel": {"type": "int", "default": 2},
        "timeout": {"type": "int", "default": 3600},
        "request": {"type": "dict", "default": {}},
    }

    def step(params: dict[str, Any], context: Context) -> dict[str, Any]:
        params["cache_max_size"] = parse_size(params["cache_max_size"], "cache_max_size")
        if params["request"].get("step") != "make":
            return image_make.survey(params, context.check_mode)
        result, warnings = image_make.make(params)
        for warning in warnings:
            context.warn(warning)
        return result

    run({"argument_spec": arguments, "supports_check_mode": True}, step)


if __name__ == "__main__":
    main()
