# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL 17's settings: those of every profile, and those that follow from memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from .budget import MemoryProof
from .errors import InputError
from .plan import Setting
from .profiles import Profile
from .units import GB, KB, MB, format_size, parse_size, shown

#: The least work_mem that is worth having: PostgreSQL's own default.
LEAST_WORK_MEM = 4 * MB
#: Beyond this, short transactions gain nothing and one report takes all.
MOST_WORK_MEM = 64 * MB
#: Huge pages pay from here on (pgtune's threshold).
HUGE_PAGES_FROM = 2 * GB
#: More than this a vacuum or an index build hardly ever needs.
MOST_MAINTENANCE_WORK_MEM = 2 * GB
#: /dev/shm, where parallel queries and index builds share memory; Docker's 64 MB
#: end in "could not resize shared memory segment".
LEAST_SHM = 256 * MB

_KB_MOST = (2**31 - 1) * KB
#: Least and most of the settings that hold memory (pg_settings.min_val, max_val).
MEMORY_SETTINGS: Mapping[str, tuple[int, int]] = {
    "shared_buffers": (128 * KB, (2**30 - 1) * 8 * KB),
    "wal_buffers": (32 * KB, 2**18 * 8 * KB),
    "work_mem": (64 * KB, _KB_MOST),
    "maintenance_work_mem": (64 * KB, _KB_MOST),
    "autovacuum_work_mem": (64 * KB, _KB_MOST),
    "effective_cache_size": (8 * KB, (2**31 - 1) * 8 * KB),
}
#: Least and most of the settings that are counts in the proofs.
COUNT_SETTINGS: Mapping[str, tuple[int, int]] = {
    "max_connections": (1, 262143),
    "superuser_reserved_connections": (0, 262143),
    "reserved_connections": (0, 262143),
    "autovacuum_max_workers": (1, 262143),
    "max_parallel_workers": (0, 1024),
    "max_parallel_workers_per_gather": (0, 1024),
}

_COMMON: Mapping[str, Setting] = {
    # Connections and the death of their clients
    "superuser_reserved_connections": 3,
    "reserved_connections": 0,
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": "10s",
    "client_connection_check_interval": "5s",
    "idle_in_transaction_session_timeout": "1min",
    "password_encryption": "scram-sha-256",
    # Durability: no acknowledged transaction is lost
    "wal_level": "replica",
    "synchronous_commit": "on",
    "wal_log_hints": "on",
    "wal_compression": "lz4",
    "wal_buffers": "16MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": 0.9,
    "max_wal_senders": 10,
    "max_replication_slots": 10,
    "max_slot_wal_keep_size": "2GB",
    # A change of archive_mode needs a restart, so it is on from the start; the command is the
    # backup's. With the time to push, nothing older than 60 s is ever missing in the archive.
    "archive_mode": "on",
    "archive_timeout": "45s",
    # Planner, for SSDs (S26, S87) and short transactions
    "random_page_cost": 1.1,
    "effective_io_concurrency": 200,
    "hash_mem_multiplier": 2.0,
    "max_worker_processes": 8,
    "jit": "off",
    # Autovacuum: little and often
    "autovacuum": "on",
    "autovacuum_naptime": "30s",
    "autovacuum_vacuum_scale_factor": 0.05,
    "autovacuum_analyze_scale_factor": 0.02,
    # What is logged (S28). Values of parameters are people's data and stay out.
    "log_min_duration_statement": "500ms",
    "log_parameter_max_length": 0,
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    "log_temp_files": "10MB",
    "log_autovacuum_min_duration": "1s",
    "log_connections": "off",
    "log_disconnections": "off",
    "deadlock_timeout": "1s",
    "track_io_timing": "on",
    "track_activity_query_size": "4kB",
    # Statistics of statements (S28)
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.max": 5000,
    "pg_stat_statements.track": "top",
    "pg_stat_statements.track_planning": "off",
    "auto_explain.log_min_duration": "2s",
    "auto_explain.log_parameter_max_length": 0,
}


def memory_setting(name: str, value: object, path: str) -> str:
    """A setting that holds memory, in PostgreSQL's own spelling, within its range."""
    if name in ("wal_buffers", "autovacuum_work_mem") and value in (-1, "-1"):
        return "-1"
    if not isinstance(value, str):
        raise InputError(f'{path}: {shown(value)} has no unit; write a text such as "16MB"')
    size = parse_size(value, path)
    least, most = MEMORY_SETTINGS[name]
    if not least <= size <= most or size % KB:
        raise InputError(
            f"{path}: {shown(value)} is out of range; PostgreSQL takes {format_size(least)} to "
            f"{most // GB}GB in whole kB"
        )
    return format_size(size)


def _bytes(settings: Mapping[str, Setting], name: str) -> int:
    return parse_size(settings[name], name)


def _floor(size: Fraction, unit: int) -> str:
    return format_size(max(math.floor(size / unit), 1) * unit)


def before_work_mem(profile: Profile, limit: int, given: Mapping[str, Setting]) -> dict[str, Setting]:
    """All settings but work_mem, for a container of ``limit`` bytes; what is given wins.

    shared_buffers: a quarter of the limit (pgtune, timescaledb-tune, Pigsty,
    autobase). effective_cache_size: two thirds, for the page cache is counted
    inside the limit. maintenance_work_mem: an eighth over all autovacuum workers.
    """
    settings = {**_COMMON, **profile.postgres, **given}
    workers = int(settings["autovacuum_max_workers"])
    settings.setdefault("shared_buffers", _floor(Fraction(limit, 4), MB))
    settings.setdefault("effective_cache_size", _floor(Fraction(limit * 2, 3), 64 * MB))
    settings.setdefault(
        "maintenance_work_mem", _floor(min(Fraction(limit, 8 * workers), Fraction(MOST_MAINTENANCE_WORK_MEM)), MB)
    )
    settings.setdefault("huge_pages", "try" if _bytes(settings, "shared_buffers") >= HUGE_PAGES_FROM else "off")
    return settings


def prove(profile: Profile, limit: int, settings: Mapping[str, Setting], server_connections: int) -> MemoryProof:
    """The memory proof of these settings; work_mem counts as 0 while it is not set."""
    maintenance = str(settings.get("autovacuum_work_mem", "-1"))
    parallel = int(settings["max_parallel_workers_per_gather"]) and int(settings["max_parallel_workers"])
    share = math.ceil(limit * profile.page_cache_share)
    return MemoryProof(
        limit=limit,
        shared_buffers=_bytes(settings, "shared_buffers"),
        wal_buffers=_wal_buffers(settings),
        server_connections=server_connections,
        real_backends=server_connections + reserved_connections(settings) + parallel,
        work_mem=_bytes(settings, "work_mem") if "work_mem" in settings else 0,
        factor=profile.sorts + profile.hashes * float(settings["hash_mem_multiplier"]),
        maintenance_workers=int(settings["autovacuum_max_workers"]),
        maintenance_work_mem=_bytes(settings, "maintenance_work_mem")
        if maintenance == "-1"
        else parse_size(maintenance),
        page_cache=max(share, profile.page_cache_least),
    )


def _wal_buffers(settings: Mapping[str, Setting]) -> int:
    """-1 stands for 1/32 of shared_buffers, between 64kB and 16MB."""
    if str(settings["wal_buffers"]) == "-1":
        return min(max(_bytes(settings, "shared_buffers") // 32, 64 * KB), 16 * MB)
    return _bytes(settings, "wal_buffers")


def reserved_connections(settings: Mapping[str, Setting]) -> int:
    return int(settings["superuser_reserved_connections"]) + int(settings["reserved_connections"])


def largest_pool(profile: Profile, limit: int, settings: Mapping[str, Setting]) -> int:
    """The most server connections, reserve included, that the proof lets PgBouncer open (C2).

    At least two, so that a plan that cannot hold is shown with its sums.
    """
    most = profile.pool + profile.reserve_pool
    if "work_mem" not in settings:
        return most
    return next((size for size in range(most, 2, -1) if prove(profile, limit, settings, size).holds), 2)


def derived_work_mem(proof: MemoryProof) -> str:
    """What the proof leaves for work_mem, in whole MB between 4MB and 64MB."""
    return format_size(min(max(proof.largest_work_mem // MB * MB, LEAST_WORK_MEM), MOST_WORK_MEM))


def shm_size(settings: Mapping[str, Setting]) -> int:
    return max(LEAST_SHM, 2 * _bytes(settings, "maintenance_work_mem"))
