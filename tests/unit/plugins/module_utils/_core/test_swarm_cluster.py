# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.swarm_cluster import (
    ForeignSwarmError,
    Found,
    Network,
    Settings,
    Wanted,
    describe_node,
    node_spec,
    parse_network,
    parse_subnet,
    plan,
    shortcomings,
    spec,
)

SETTINGS = Settings("academy", task_history=5, heartbeat=5, certificate_expiry=90 * 86400)
DATA = Network("academy_data", internal=True)
WANTED = Wanted(SETTINGS, (DATA,), ("10.201.255.0/24", "fd00::/64"))
NETWORK: dict[str, Any] = {"Driver": "overlay", "Internal": True, "Attachable": True, "Options": {}}
LEADER = Found(
    "active",
    manager=True,
    node="n1",
    spec=spec(SETTINGS),
    networks={"docker_gwbridge": {"EnableIPv6": True}, "academy_data": NETWORK},
)
JOINER = replace(WANTED, joins=True, join_addresses=("192.0.2.10:2377",), members=("n1", "n2"))


def steps(wanted: Wanted, found: Found) -> list[str]:
    return [f"{change.what} {change.name}" for change in plan(wanted, found)]


def test_a_bare_host_makes_bridge_swarm_and_networks_in_this_order() -> None:
    assert steps(WANTED, Found("inactive")) == ["bridge docker_gwbridge", "init swarm", "network academy_data"]


def test_a_bridge_that_is_there_stays() -> None:
    assert steps(WANTED, Found("inactive", networks={"docker_gwbridge": {}}))[0] == "init swarm"


def test_nothing_is_left_to_do() -> None:
    assert steps(WANTED, LEADER) == []


def test_durations_are_nanoseconds() -> None:
    made = spec(SETTINGS)
    assert made["Dispatcher"]["HeartbeatPeriod"] == 5_000_000_000
    assert made["CAConfig"]["NodeCertExpiry"] == 7_776_000_000_000_000


def test_settings_of_others_stay() -> None:
    current = {**spec(SETTINGS), "Raft": {"SnapshotInterval": 9}, "Labels": {"a": "b"}}
    changed = spec(replace(SETTINGS, task_history=2), current)
    assert changed["Raft"] == {"SnapshotInterval": 9}
    assert changed["Labels"] == {"a": "b", "firstbell.stack": "academy"}


def test_changed_settings_are_one_step_that_shows_them() -> None:
    (change,) = plan(replace(WANTED, settings=replace(SETTINGS, task_history=2)), LEADER)
    assert (change.before, change.after) == (
        "Orchestration.TaskHistoryRetentionLimit: 5",
        "Orchestration.TaskHistoryRetentionLimit: 2",
    )


def test_durations_are_shown_as_people_write_them() -> None:
    (change,) = plan(replace(WANTED, settings=replace(SETTINGS, certificate_expiry=3600)), LEADER)
    assert (change.before, change.after) == ("CAConfig.NodeCertExpiry: 2160h", "CAConfig.NodeCertExpiry: 1h")


def test_a_network_that_was_removed_is_made_again() -> None:
    assert steps(WANTED, replace(LEADER, networks={})) == ["network academy_data"]


@pytest.mark.parametrize(
    "actual",
    [
        {**NETWORK, "Internal": False},
        {**NETWORK, "Driver": "bridge"},
        {**NETWORK, "Attachable": False},
        {**NETWORK, "Options": {"encrypted": ""}},
    ],
)
def test_a_network_that_is_different_is_refused(actual: dict[str, Any]) -> None:
    with pytest.raises(FirstbellError, match=r"docker network rm academy_data"):
        plan(WANTED, replace(LEADER, networks={"academy_data": actual}))


def test_a_host_joins() -> None:
    assert steps(JOINER, Found("inactive")) == ["bridge docker_gwbridge", "join swarm"]
    assert steps(JOINER, Found("active", node="n2")) == []
    # A dry run before there is a swarm knows neither addresses nor members.
    assert steps(replace(JOINER, join_addresses=(), members=()), Found("inactive"))[-1] == "join swarm"


@pytest.mark.parametrize(
    ("wanted", "found", "message"),
    [
        (JOINER, Found("active", node="n9"), "already in another swarm"),
        (WANTED, Found("active", manager=False, node="n9"), "a worker in a swarm of others"),
        (WANTED, replace(LEADER, spec={"Labels": {}}), "a swarm that this collection did not make"),
        (WANTED, replace(LEADER, spec={"Labels": {"firstbell.stack": "stories"}}), 'the stack "stories"'),
    ],
)
def test_a_foreign_swarm_is_refused(wanted: Wanted, found: Found, message: str) -> None:
    with pytest.raises(ForeignSwarmError, match=message):
        plan(wanted, found)


def test_a_swarm_without_an_owner_can_be_taken_over_but_not_that_of_another_stack() -> None:
    adopting = replace(WANTED, adopt=True)
    assert steps(adopting, replace(LEADER, spec={"Labels": {}})) == ["settings swarm"]
    with pytest.raises(ForeignSwarmError):
        plan(adopting, replace(LEADER, spec={"Labels": {"firstbell.stack": "stories"}}))


@pytest.mark.parametrize("state", ["error", "locked"])
def test_a_swarm_that_is_ill_is_left_alone(state: str) -> None:
    with pytest.raises(FirstbellError, match=state):
        plan(WANTED, Found(state))


def test_a_bridge_without_ipv6_is_a_warning() -> None:
    assert shortcomings(WANTED, LEADER) == ()
    (warning,) = shortcomings(WANTED, replace(LEADER, networks={"docker_gwbridge": {"EnableIPv6": False}}))
    assert "share one address" in warning


def test_labels_of_others_stay_on_a_node() -> None:
    current = {"Role": "worker", "Availability": "drain", "Labels": {"a": "1"}}
    assert node_spec(current, "manager", None, {"disk": "ssd"}) == {
        "Role": "manager",
        "Availability": "drain",
        "Labels": {"a": "1", "disk": "ssd"},
    }
    assert node_spec(current, None, None, {}) == current
    assert describe_node(current) == "role worker\navailability drain\nlabel a=1\n"


def test_a_network_has_a_plain_name() -> None:
    assert parse_network({"name": "academy_data", "internal": True}) == DATA
    with pytest.raises(InputError, match="cannot name a network"):
        parse_network({"name": "a/b"})


@pytest.mark.parametrize("subnet", ["10.0.0.1/8", "10.0.0.0/33", "x"])
def test_a_subnet_is_checked(subnet: str) -> None:
    with pytest.raises(InputError, match="is no subnet"):
        parse_subnet(subnet)
