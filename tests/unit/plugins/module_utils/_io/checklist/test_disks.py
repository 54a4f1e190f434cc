# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and file systems, as the checks are told of them."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import disks


def test_what_lies_in_memory_is_told() -> None:
    mounts = ["/dev/sda / ext4 rw 0 0", "tmpfs /run tmpfs rw 0 0", "/dev/sdb /opt/school/data ext4 rw 0 0"]
    assert disks.in_memory("/opt/school", "\n".join(mounts)) == []
    mounts.append("tmpfs /opt/school/backup/dumps tmpfs rw 0 0")
    assert disks.in_memory("/opt/school", "\n".join(mounts)) == ["/opt/school/backup/dumps"]


def test_disks_that_the_next_start_waits_for_are_told() -> None:
    lines = [
        "# /dev/old /x ext4 defaults 0 2",
        "/dev/null / ext4 defaults 0 1",
        "/dev/nope /mnt/a ext4 defaults 0 2",
        "UUID=nope /mnt/b ext4 defaults 0 2",
        "/dev/nope /mnt/c ext4 defaults,nofail 0 2",
        "/dev/cdrom0 /media udf,iso9660 user,noauto 0 0",
        "tmpfs /tmp tmpfs defaults 0 0",
        "nfs.test:/x /mnt/d nfs defaults 0 0",
        "torn",
    ]
    assert disks.lost("\n".join(lines)) == ["/dev/nope", "UUID=nope"]


TABLE = """
UUID=1 / ext4 defaults 0 1
/dev/sdc /srv ext4 defaults 0 2
/dev/sdd /mnt/usb ext4 noauto 0 2
/dev/sde none swap sw 0 0
/dev/nope /mnt/backup/ ext4 nofail 0 2
/dev/null /mnt/other/ ext4 nofail 0 2
"""


def test_disks_that_nothing_mounts_at_the_next_start_are_told() -> None:
    mounts = "\n".join(
        [
            "/dev/sda / ext4 rw 0 0",
            "/dev/sdb /opt/school/data ext4 rw 0 0",
            "/dev/sdf /opt ext4 rw 0 0",
            "/dev/sdg /optional ext4 rw 0 0",
            "/dev/sdh /var/lib ext4 rw 0 0",
            "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0",
        ]
    )
    needed = ("/opt/school", "/var/lib/docker")
    assert disks.unlisted(TABLE, mounts, set(), needed) == ["/opt", "/opt/school/data", "/var/lib"]
    assert disks.unlisted(TABLE, mounts, {"/opt", "/var/lib"}, needed) == ["/opt/school/data"]


def test_what_is_to_be_mounted_and_is_not_is_told() -> None:
    assert disks.unmounted(TABLE, "/dev/sda / ext4 rw 0 0") == ["/srv", "/mnt/other"]
    mounted = "/dev/sda / ext4 rw 0 0\n/dev/sdc /srv ext4 rw 0 0\n/dev/null /mnt/other ext4 rw 0 0"
    assert disks.unmounted(TABLE, mounted) == []


def test_an_array_that_lacks_a_disk_is_told() -> None:
    state = """Personalities : [raid1]
md0 : active raid1 sdb1[1](F) sda1[0]
      1046528 blocks super 1.2 [2/1] [U_]

md1 : active raid1 sdb2[1] sda2[0]
      1046528 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

unused devices: <none>
"""
    assert disks.degraded(state) == ["the array md0 lacks a disk: [U_]"]
    assert disks.degraded("Personalities : \nunused devices: <none>\n") == []


@pytest.mark.parametrize(
    ("turns", "virtual", "said"),
    [(True, False, True), (True, True, None), (False, True, False), (None, False, None)],
)
def test_a_virtual_disk_does_not_turn_whatever_its_kernel_takes_it_for(
    monkeypatch: pytest.MonkeyPatch, turns: bool | None, virtual: bool, said: bool | None
) -> None:
    monkeypatch.setattr(disks, "_rotational", lambda _path: turns)
    assert disks.gather("/", own=False, virtual=virtual)["rotational"] is said
