# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report knows of the Makefile is what the Makefile does."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.commands import PLAYBOOKS

from repo.conftest import ROOT


@pytest.mark.parametrize(("target", "playbook"), PLAYBOOKS.items())
def test_a_target_that_the_report_names_runs_this_playbook(target: str, playbook: str) -> None:
    (recipe,) = re.findall(
        rf"(?m)^{target}: .*\n\t\$\(PLAYBOOK\) playbooks/(.*?)(?: \$\(if.*)?$",
        (ROOT / "Makefile").read_text(encoding="utf-8"),
    )
    name, *more = playbook.split(" ", 1)
    assert recipe.split() == " ".join([f"{name}.yml", *more]).split()
