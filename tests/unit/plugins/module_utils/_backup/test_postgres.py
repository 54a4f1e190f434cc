# SPDX-License-Identifier: GPL-3.0-or-later
"""How a repository is chosen, and which containers may reach the store."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._backup.host import Host
from ansible_collections.firstbell.stack.plugins.module_utils._backup.postgres import Postgres
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig

STORE = "--config=/etc/pgbackrest-offsite/offsite.conf"
MOMENT = "2027-03-01 06:47:00+00"


def postgres(as_of: str = "") -> Postgres:
    config = PostgresConfig("image", 17, "school", Limits(1, 2**29), network="bridge", sources=(2,))
    return Postgres(Host(Config("school", "/opt/school", config)), as_of)


@pytest.mark.parametrize(
    ("as_of", "repository", "words"),
    [
        ("", 1, ["--stanza=school"]),
        ("", 2, [STORE, "--stanza=school"]),
        # Only a store keeps versions.
        (MOMENT, 1, ["--stanza=school"]),
        (MOMENT, 2, [STORE, "--repo=1", f"--repo-target-time={MOMENT}", "--stanza=school"]),
    ],
)
def test_a_repository_is_chosen_by_options(as_of: str, repository: int, words: list[str]) -> None:
    assert postgres(as_of).words(repository) == words


def test_only_what_has_to_do_with_the_store_has_a_network_and_its_password() -> None:
    assert (postgres().network(1), postgres().store_mounts(1)) == ("none", [])
    assert postgres().network(2) == "bridge"
    assert len(postgres().store_mounts(2)) == 1
