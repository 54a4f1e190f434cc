# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.load import window

TOKEN = "0123456789abcdef"
LINES = [
    "2026/11/29 [notice] 1#1: start",
    json.dumps({"client": "10.0.0.9", "path": "/other"}),
    json.dumps({"client": "10.0.0.9", "path": "/x", "agent": window.probe_path(TOKEN)}),
    "{broken " + window.probe_path(TOKEN),
    json.dumps({"client": "2001:db8::7", "path": window.probe_path(TOKEN)}),
]


def test_the_generator_is_known_by_its_probe() -> None:
    assert window.probing_client(iter(LINES), TOKEN) == "2001:db8::7"
    assert window.probing_client(iter(LINES[:-1]), TOKEN) == ""


@pytest.mark.parametrize("address", ["10.0.0.1; include /etc/passwd", "any", "10.0.0.0/8", ""])
def test_only_one_address_is_trusted(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        window.trust(address, "2026-11-29T05:00:00Z")


def test_the_file_for_nginx() -> None:
    text = window.trust("10.203.0.1", "2026-11-29T05:00:00Z")
    assert [line for line in text.splitlines() if not line.startswith("#")] == ["set_real_ip_from 10.203.0.1;"]
    assert "2026-11-29T05:00:00Z" in text


def test_users_have_addresses_that_no_client_has() -> None:
    found = [window.user_address(number) for number in range(20_000)]
    assert len(set(found)) == len(found)
    assert all(ipaddress.ip_address(one) in ipaddress.ip_network("198.18.0.0/15") for one in found)


@pytest.mark.parametrize(
    "change",
    [{"probe": "short"}, {"probe": "../../etc/passwd0000"}, {"seconds": 0}, {"seconds": 10**6}, {"seconds": "60"}],
)
def test_a_request_without_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        window.parse_request(json.dumps({"probe": TOKEN, "seconds": 60, **change}))


def test_a_request() -> None:
    request = window.parse_request(json.dumps({"probe": TOKEN, "seconds": 60, "variables": {"users": 300}}))
    assert request.variables == {"load_test.users": "300"}
    assert request.prepare == ""


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InputError):
        window.parse_request("no")


def test_a_configuration_names_what_it_lacks() -> None:
    with pytest.raises(InputError, match="role"):
        window.parse_config({"stack": "s", "directory": "/opt/s", "database": "s"}, "here")
