# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import FAIL, PASS, Facts, Outcome
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.upkeep import security_updates

from unit.healthy_stack import healthy, release

CONFIGURE = "dpkg --configure -a; apt-get --fix-broken install"


def judged(**changes: Any) -> Outcome:
    seen, expected = healthy()
    seen["updates"].update(changes)
    return security_updates.judge(Facts(seen, expected))


@pytest.mark.parametrize(
    "values",
    [
        {"codename": "trixie-updates"},
        {"codename": "trixie-backports", "origin": "Debian Backports"},
        {"codename": "trixie-backports-sloppy", "origin": "Debian Backports"},
        {"codename": "trixie-proposed-updates"},
        {"codename": "trixie-debug"},
        {"codename": "trixie", "release": "stable"},
        {"codename": "sid", "origin": "Docker"},
        {"codename": "$(CODENAME)", "origin": "$(ORIGIN)"},
    ],
)
def test_sources_of_the_hosts_own_release_and_of_others_than_debian_are_fine(values: dict[str, str]) -> None:
    assert judged(releases=[release(), release(**values)]).verdict == PASS


def test_where_the_host_does_not_say_what_it_is_no_release_is_another() -> None:
    assert judged(codename="").verdict == PASS


@pytest.mark.parametrize(
    ("entry", "mend"),
    [
        ("/etc/apt/sources.list:7", "sed -i '7s/^/#/' /etc/apt/sources.list, then: apt-get update"),
        ("/etc/apt/sources.list.d/x.sources:2", "take testing out of the Suites of /etc/apt/sources.list.d/x.sources"),
    ],
)
def test_another_release_is_taken_out_where_it_is_written_and_nothing_is_upgraded(entry: str, mend: str) -> None:
    found = judged(releases=[release(codename="forky", release="testing", entry=entry)], security=["openssl"])
    assert found.verdict == FAIL
    assert "testing of http://deb.debian.org/debian is among the sources" in found.measured
    assert "may make this host forky instead of trixie" in found.measured
    assert found.fix.startswith(mend)
    assert "apt-get upgrade" not in found.fix


def test_nothing_is_mended_by_what_another_release_has() -> None:
    found = judged(releases=[release(codename="sid", release="sid")], refused="E: Unmet dependencies.")
    assert found.fix.index("apt-get update") < found.fix.index("--fix-broken install")


@pytest.mark.parametrize("value", ["0", "00"])
def test_one_switch_is_off_for_all_and_is_taken_out_wherever_it_is(value: str) -> None:
    options = [*healthy()[0]["updates"]["options"], f'APT::Periodic::Enable "{value}";']
    found = judged(options=options)
    assert found.verdict == FAIL
    assert found.fix.startswith("sed -i '/APT::Periodic::Enable/d' $(grep -ls APT::Periodic::Enable /etc/apt/apt.conf ")


def test_the_switch_may_be_on() -> None:
    assert judged(options=[*healthy()[0]["updates"]["options"], 'APT::Periodic::Enable "1";']).verdict == PASS


@pytest.mark.parametrize(
    ("header", "fix"),
    [
        (["The following packages have been unpacked but not yet configured.", "They must be configured"], CONFIGURE),
        (["The following packages are only half configured, probably due to", "problems"], CONFIGURE),
        (["The following packages are awaiting processing of triggers that they"], CONFIGURE),
        (["The following packages are missing the md5sums control file in the"], "apt-get install --reinstall evil"),
        (
            ["The following packages are only half installed, due to problems during"],
            "apt-get install --reinstall evil",
        ),
    ],
)
def test_what_is_half_installed_is_finished_or_installed_anew(header: list[str], fix: str) -> None:
    found = judged(audit=[*header, " evil     does evil", ""])
    assert (found.verdict, found.fix) == (FAIL, fix)
    assert found.measured == "evil is not wholly installed (dpkg --audit)"


def test_each_part_of_the_audit_has_its_own_mend() -> None:
    half = ["The following packages are only half configured", " one   x", ""]
    found = judged(audit=[*half, "The following packages are missing the list control file", " two  x", ""])
    assert found.fix == f"{CONFIGURE}. Then: apt-get install --reinstall two"


@pytest.mark.parametrize(
    ("refused", "fix"),
    [
        ("E: Unmet dependencies. Try 'apt --fix-broken install' (evil : Depends: x)", CONFIGURE),
        (
            "E: Malformed entry 1 in list file /etc/apt/sources.list.d/x.list (Suite)",
            "mend what it names, then: apt-get ",
        ),
    ],
)
def test_an_apt_that_does_nothing_is_told_with_what_mends_it(refused: str, fix: str) -> None:
    # It then knows of no source at all.
    found = judged(refused=refused, suites=[])
    assert found.measured == f"apt installs nothing any more: {refused}"
    assert found.fix.startswith(fix)
