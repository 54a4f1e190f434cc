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


UNMET = """Reading package lists...
The following packages have unmet dependencies:
 evil : Depends: nothing but it is not installable
        Depends: more
"""


@pytest.mark.parametrize(
    ("code", "out", "err", "said"),
    [
        (0, "0 upgraded", "", ""),
        (0, "0 upgraded", "W: a\n", ""),
        (100, UNMET, "W: a\nE: Unmet dependencies.\n", "E: Unmet dependencies. (evil : Depends: nothing but it is not"),
        (
            100,
            "",
            "E: Malformed entry 1 in list file /x (Suite)\nE: The list\n",
            "E: Malformed entry 1 in list file /x",
        ),
        (100, "", "", "it ended with 100 and does not say why"),
    ],
)
def test_that_apt_refuses_is_told_by_its_first_error(code: int, out: str, err: str, said: str) -> None:
    found = updates.refused(updates.system.Result(code, out, err))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_what_apt_has_is_told_by_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    index = (
        "unstable http://a.test/debian sid\tDebian\tsid\tsid\thttp://a.test/debian\t/etc/apt/sources.list.d/x.list:3"
    )
    monkeypatch.setattr(updates.system, "run", lambda *_argv, **_more: updates.system.Result(0, "", ""))
    monkeypatch.setattr(updates.system, "lines", lambda argv: [index, index] if "indextargets" in argv else [argv[-1]])
    monkeypatch.setattr(updates.system, "read_text", lambda _path: 'NAME="Debian"\nVERSION_CODENAME=trixie\n')
    monkeypatch.setattr(updates.host, "gather_units", lambda _names: {})
    monkeypatch.setattr(updates, "unresolved", lambda _suites: [])
    found = updates.gather()
    assert found["suites"] == ["unstable http://a.test/debian sid"]
    source = {"origin": "Debian", "codename": "sid", "release": "sid", "site": "http://a.test/debian"}
    assert found["releases"] == [{**source, "entry": "/etc/apt/sources.list.d/x.list:3"}]
    assert (found["codename"], found["refused"], found["audit"]) == ("trixie", "", ["--audit"])
