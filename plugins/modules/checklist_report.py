#!/usr/bin/python

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: checklist_report
short_description: Write the report of a verification
version_added: 1.0.0
author:
  - firstbell contributors (@firstbell)
description:
  - Puts the results of M(firstbell.stack.checklist) of all hosts together, compares them with the last report, and
    writes JSON, JUnit XML and one HTML page that needs nothing else. A host without results has failed.
  - Runs on the controller. A written report counts as no change of the stack.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  domain:
    description: Public name of the site.
    type: str
    required: true
  profile:
    description: The plan's profile.
    type: str
    required: true
  directory:
    description: Folder of the reports. It is made where it is missing.
    type: path
    required: true
  keep:
    description: How many reports are kept.
    type: int
    default: 30
  looked:
    description: The module's results by host.
    type: dict
    required: true
  partial:
    description: Whether only a part of the list was checked. Such reports have names and a history of their own.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and does the same there.
    support: full
  diff_mode:
    description: Reports have no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Write the report
  firstbell.stack.checklist_report:
    stack: "{{ firstbell_stack_name }}"
    domain: "{{ firstbell_domain }}"
    profile: "{{ firstbell_plan.profile }}"
    directory: reports
    looked: {bell1: "{{ looked }}"}
"""

RETURN = r"""
counts:
  description: How many of each verdict.
  type: dict
  returned: success
  sample: {fail: 0, warn: 1, skipped: 3, pass: 73}
summary:
  description: The verdict in lines, one for each item that failed or warns, with what mends it.
  type: list
  elements: str
  returned: success
metrics:
  description: The counts for the node exporter's textfile collector.
  type: str
  returned: success
path:
  description: The HTML page.
  type: str
  returned: success
"""
