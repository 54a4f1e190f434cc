# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the tests find the collection as Ansible does, before anything of it is imported."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([str(Path(__file__).resolve().parents[1] / ".collections")])
