# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import sysctls
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError


def test_values_are_compared_as_the_kernel_writes_them() -> None:
    wanted = sysctls.parse({"net.ipv4.ip_local_port_range": "10000   65000", "vm.swappiness": 1, "kernel.x": True})
    live = {"net.ipv4.ip_local_port_range": "10000\t65000", "vm.swappiness": "60", "kernel.x": "1"}
    assert sysctls.plan(wanted, live) == (sysctls.Change("vm.swappiness", "60", "1"),)


def test_a_name_that_the_kernel_lacks_is_a_change() -> None:
    assert sysctls.plan({"vm.swappiness": "1"}, {"vm.swappiness": None}) == (
        sysctls.Change("vm.swappiness", None, "1"),
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.core.somaxconn", "/proc/sys/net/core/somaxconn"),
        ("net/ipv6/conf/eth0.10/accept_ra", "/proc/sys/net/ipv6/conf/eth0.10/accept_ra"),
    ],
)
def test_a_name_becomes_a_path(name: str, path: str) -> None:
    assert sysctls.proc_path(name) == path


@pytest.mark.parametrize("name", ["swappiness", "../etc/passwd", "vm..x", "vm.swap piness", "VM.x", "net/../x", ""])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no kernel setting"):
        sysctls.parse({name: 1})


@pytest.mark.parametrize("value", ["", "  ", [1, 2], {"a": 1}])
def test_a_value_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"vm\.swappiness needs"):
        sysctls.parse({"vm.swappiness": value})


def test_the_file_is_sorted_and_ends_with_a_newline() -> None:
    text = sysctls.render(sysctls.parse({"vm.b": 2, "net.a": "1 2"}))
    assert text.splitlines()[1:] == ["net.a = 1 2", "vm.b = 2"]
    assert text.endswith("\n")


@pytest.mark.parametrize("name", ["../x", "a b", ".hidden", ""])
def test_a_file_name_stays_in_its_directory(name: str) -> None:
    with pytest.raises(InputError, match=r"cannot name a file"):
        sysctls.parse_file_name(name)


def test_only_optional_settings_may_fail() -> None:
    failed = {"net.core.x": "read-only", "net.netfilter.y": "missing"}
    assert sysctls.settle(failed, ["net.core.x", "net.netfilter.*"]) == ("net.core.x", "net.netfilter.y")
    with pytest.raises(sysctls.SysctlError, match=r"does not take net\.netfilter\.y: missing"):
        sysctls.settle(failed, ["net.core.*"])


def test_what_a_file_sets_is_read_by_its_paths() -> None:
    text = (
        "# a.b = 1\n; a.c = 1\n\n-net.core.somaxconn=  1\t2\nnet/ipv4/conf/eth0.1/x = 3\nnet.ipv4.conf.*.x = 4\n-a.d\n"
    )
    assert sysctls.read(text) == {
        "/proc/sys/net/core/somaxconn": "1 2",
        "/proc/sys/net/ipv4/conf/eth0.1/x": "3",
    }
