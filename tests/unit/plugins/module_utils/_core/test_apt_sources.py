# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package sources of a host, and those of the images made from them."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import apt_sources
from ansible_collections.firstbell.stack.plugins.module_utils._core.apt_sources import Mirrors, Source

ONE_LINE = """\
# deb http://old.test/debian trixie main
deb [signed-by=/k.gpg check-valid-until=no] http://mirror.test/debian/ bookworm main contrib # ours
deb http://mirror.test/debian bookworm-updates main
deb-src http://mirror.test/debian bookworm main
deb https://mirror.test/security bookworm-security main
deb https://packages.test/apt stable main-extra
"""
DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: trixie trixie-updates
Components: main
# another
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.test/security
Suites: trixie-security
Components: main
Check-Valid-Until: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: trixie
Components: main
"""


@pytest.mark.parametrize(
    ("parse", "text"), [(apt_sources.parse_one_line, ONE_LINE), (apt_sources.parse_deb822, DEB822)]
)
def test_both_formats_name_the_hosts_mirrors(parse: object, text: str) -> None:
    mirrors = apt_sources.find_mirrors(parse(text))  # type: ignore[operator]
    assert mirrors == Mirrors("http://mirror.test/debian", "https://mirror.test/security", {"Check-Valid-Until": "no"})


def test_a_source_that_is_switched_off_does_not_count() -> None:
    assert "http://off.test/debian" not in [source.uri for source in apt_sources.parse_deb822(DEB822)]


def test_a_host_of_another_distribution_knows_no_mirror() -> None:
    ubuntu = [Source("http://mirror.test/ubuntu", ("noble", "noble-security"), ("main",))]
    assert apt_sources.find_mirrors(ubuntu) == Mirrors("", "")


def test_a_private_mirror_without_security_is_not_mixed_with_the_public_one() -> None:
    private = [Source("http://mirror.test/debian", ("stable",), ("main",))]
    assert apt_sources.find_mirrors(private) == Mirrors("http://mirror.test/debian", "")


def test_sources_of_other_vendors_and_media_are_no_mirrors() -> None:
    others = [
        Source("https://vendor.test/node_20.x", ("nodistro",), ("main",)),
        Source("cdrom:[Debian 13]/", ("trixie",), ("main",)),
        Source("http://mirror.test/debian", ("trixie",), ("contrib",)),
    ]
    assert apt_sources.find_mirrors(others).main == ""


def test_a_frozen_mirror_is_trusted_after_its_date_like_the_host_does() -> None:
    dump = 'Acquire::Check-Valid-Until "false";\nAcquire::http::Proxy "http://proxy.test:3128";\nAPT::X "";\n'
    options = apt_sources.parse_apt_config(dump)
    assert options["Acquire::http::Proxy"] == "http://proxy.test:3128"
    assert apt_sources.find_mirrors([], options).options == {"Check-Valid-Until": "no"}


def test_updates_and_security_updates_are_included() -> None:
    text = apt_sources.render(Mirrors("http://m.test/debian", "http://m.test/sec", {"Check-Date": "no"}), "trixie")
    main, security = apt_sources.parse_deb822(text)
    assert (main.uri, main.suites) == ("http://m.test/debian", ("trixie", "trixie-updates"))
    assert (security.uri, security.suites) == ("http://m.test/sec", ("trixie-security",))
    assert main.options["check-date"] == security.options["check-date"] == "no"
    assert "security" not in apt_sources.render(Mirrors("http://m.test/debian", ""), "trixie")
