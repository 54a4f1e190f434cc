#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_secrets
short_description: Generate missing secrets into a vault-encrypted file
version_added: 1.0.0
description:
  - Makes sure that a dictionary in an Ansible Vault file holds a value for each name. Values that are there stay.
  - Values are never printed, returned or logged. The file and its password file are only readable for their owner.
  - Runs on the controller.
author:
  - firstbell contributors (@firstbell)
options:
  path:
    description: The encrypted file. It is made when missing.
    type: path
    required: true
  variable:
    description: The variable in that file that holds the secrets.
    type: str
    default: firstbell_secrets
  names:
    description: The secrets that must be there.
    type: list
    elements: str
    required: true
  password_file:
    description:
      - The file with the vault's password. It is made with a generated password when neither file exists.
      - Keep a copy of it where you keep your most important things; without it the secrets are lost.
    type: path
    required: true
attributes:
  check_mode:
    description: Can run in check mode and tells which secrets it would generate.
    support: full
  diff_mode:
    description: Secrets have no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Generate the secrets of a new inventory
  firstbell.stack.vault_secrets:
    path: inventories/mine/group_vars/all/vault.yml
    password_file: .vault_password
    names: [database_app_password, nextauth_secret]
"""

RETURN = r"""
generated:
  description: Names of the secrets that were missing.
  type: list
  elements: str
  returned: success
  sample: [nextauth_secret]
path:
  description: The encrypted file.
  type: str
  returned: success
  sample: inventories/mine/group_vars/all/vault.yml
"""
