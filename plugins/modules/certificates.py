#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: Keep a private certificate authority and what it issues
version_added: 1.0.0
description:
  - Makes an authority in a directory of the host and issues server certificates with it, all in one call.
  - A certificate is issued again when it nears its end, when its names change, and when it does not fit its key or
    its authority. Keys are kept, also the authority's when its certificate is renewed, so that nobody who trusts it
    has to be told.
  - Wrong owners and modes are corrected. Files are replaced in one step; a run that was interrupted is simply repeated.
  - Keys are ECDSA P-256.
author:
  - firstbell contributors (@firstbell)
requirements:
  - cryptography >= 38 on the host
options:
  path:
    description: Directory of the authority, with C(ca.crt) and the root-only C(ca.key).
    type: path
    required: true
  authority:
    description: The authority itself.
    type: dict
    required: true
    suboptions:
      name:
        description: Common name.
        type: str
        required: true
      valid_days:
        description: Days that its certificate is valid.
        type: int
        default: 3650
      renew_days:
        description: Its certificate is renewed when fewer days than this are left.
        type: int
        default: 1850
  certificates:
    description:
      - The certificates to issue. Each has a folder of its own with C(tls.crt), C(tls.key) and C(ca.crt).
      - A certificate that is no longer named here is left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the folder.
        type: str
        required: true
      dns:
        description: Host names that it is valid for.
        type: list
        elements: str
        default: []
      ip:
        description: Addresses that it is valid for.
        type: list
        elements: str
        default: []
      valid_days:
        description: Days that it is valid. Not more than the authority's O(authority.renew_days).
        type: int
        default: 1825
      renew_days:
        description: It is renewed when fewer days than this are left.
        type: int
        default: 90
      owner:
        description: User and group that own the key, which nobody else may read.
        type: int
        default: 1001
attributes:
  check_mode:
    description: Can run in check mode and tell what would be done, also on a host that has nothing yet.
    support: full
  diff_mode:
    description: Shows what is missing or wrong. Never shows a key.
    support: full
"""

EXAMPLES = r"""
- name: Issue certificates for the database and the pooler
  firstbell.stack.certificates:
    path: /opt/academy/pki
    authority:
      name: academy private authority
    certificates:
      - name: postgres
        dns: [postgres]
      - name: pgbouncer
        dns: [pgbouncer, localhost]
        ip: [127.0.0.1]
"""

RETURN = r"""
changes:
  description: What was missing or wrong and is now right, one sentence each.
  type: list
  elements: str
  returned: success
  sample: ["certificate of postgres: 12 days are left"]
issued:
  description: Names of the certificates that were issued; V(ca) is the authority's own.
  type: list
  elements: str
  returned: success
  sample: [postgres]
"""

from ..module_utils import _shell
from ..module_utils._io.authority import ensure


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "path": {"type": "path", "required": True},
                "authority": {
                    "type": "dict",
                    "required": True,
                    "options": {
                        "name": {"type": "str", "required": True},
                        "valid_days": {"type": "int", "default": 3650},
                        "renew_days": {"type": "int", "default": 1850},
                    },
                },
                "certificates": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {
                        "name": {"type": "str", "required": True},
                        "dns": {"type": "list", "elements": "str", "default": []},
                        "ip": {"type": "list", "elements": "str", "default": []},
                        "valid_days": {"type": "int", "default": 1825},
                        "renew_days": {"type": "int", "default": 90},
                        "owner": {"type": "int", "default": 1001},
                    },
                },
            },
            "supports_check_mode": True,
        },
        lambda params, context: ensure(params, apply=not context.check_mode),
    )


if __name__ == "__main__":
    main()
