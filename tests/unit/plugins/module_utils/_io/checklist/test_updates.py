# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import updates

DUMP = [
    'Unattended-Upgrade::Origins-Pattern "";',
    'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,l=\\"x\\"";',
    'Unattended-Upgrade::Automatic-Reboot "false";',
    'Unattended-Upgrade::Automatic-Reboot-Time "02:00";',
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Unattended-Upgrade::Origins-Pattern::", ['origin=Debian,l=\\"x\\"']),
        ("Unattended-Upgrade::Automatic-Reboot", ["false"]),
        ("Acquire::http::Proxy", []),
    ],
)
def test_apts_configuration_is_read_as_it_is_in_force(name: str, found: list[str]) -> None:
    assert updates.values(DUMP, name) == found


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("deb [trusted=yes] http://a b main\n", True),
        ("# x\nTrusted: yes\n", True),
        ("deb [signed-by=/x] http://a b main\n", False),
        ("#deb [trusted=yes] http://a b main\n", False),
    ],
)
def test_a_source_that_nobody_signs_is_known(text: str, open_: bool) -> None:
    assert bool(updates._TRUSTED.search(text)) == open_


def test_a_source_without_an_address_or_with_the_hosts_own_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"a.test": "192.0.2.1", "b.test": "127.0.0.1", "192.0.2.9": "192.0.2.9"}

    def look(name: str, *_more: Any, **_options: Any) -> list[Any]:
        if name not in addresses:
            raise socket.gaierror
        return [(0, 0, 0, "", (addresses[name], 0))]

    monkeypatch.setattr(updates.socket, "getaddrinfo", look)
    suites = [f"stable http://{name}/debian trixie" for name in (*addresses, "c.test", "localhost:3142")]
    assert updates.unresolved(suites) == ["b.test", "c.test"]
