# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of several servers compared with one another, whichever program they belong to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .pg_findings import PgFinding
from .sql import mask

#: What differs between the members of a cluster by its nature.
OF_A_MEMBER = frozenset(
    (
        *("cluster_name", "config_file", "data_directory", "external_pid_file", "hba_file", "ident_file"),
        *("in_hot_standby", "listen_addresses", "port", "primary_conninfo", "primary_slot_name"),
        *("transaction_read_only", "unix_socket_directories", "application_name", "huge_pages_status"),
        *("recovery_target", "restore_command", "shared_memory_size", "shared_memory_size_in_huge_pages"),
        *("conffile", "job_name", "listen_addr", "listen_port", "logfile", "peer_id", "pidfile", "unix_socket_dir"),
    )
)


def compare(members: Mapping[str, Mapping[str, str]], ignore: Collection[str] = ()) -> list[PgFinding]:
    """A finding for every setting that the members do not all have with the same value.

    ``members`` has the settings of each by name, as texts that are equal when the values are.
    """
    left_out = OF_A_MEMBER | {name.lower() for name in ignore}
    names = sorted({name for settings in members.values() for name in settings if name.lower() not in left_out})
    findings = []
    for name in names:
        values = {member: settings.get(name) for member, settings in members.items()}
        if len(set(values.values())) > 1:
            shown = {member: "absent" if text is None else mask(text) for member, text in values.items()}
            told = ", ".join(f"{member}: {text or 'empty'}" for member, text in shown.items())
            findings.append(PgFinding(name, f"the members differ: {told}", "", "drift", {"values": shown}))
    return findings
