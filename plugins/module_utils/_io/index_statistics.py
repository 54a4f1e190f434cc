# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the advice on indexes needs of a server: foreign keys and the statistics views."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.index_advice import ForeignKey, Statistics, Use
from .._core.index_wishes import Relations
from .._core.indexes import Catalogue
from .indexes import TABLE_KINDS, Server


def everything(server: Server, schemas: Sequence[str], known: Relations) -> Catalogue:
    """All tables and indexes of the schemas."""
    oids = [oid for place, (kind, oid) in known.relations.items() if place[0] in schemas and kind in TABLE_KINDS]
    tables = server.tables(oids, known)
    return Catalogue(tables, server.indexes(list(tables)), {})


def foreign_keys(server: Server, catalogue: Catalogue) -> list[ForeignKey]:
    """The foreign keys of the tables; of partitions only what their parents do not have already."""
    rows = server.session.query(
        "SELECT k.conname AS name, k.conrelid::bigint AS table, k.confrelid::regclass::text AS referenced,"
        " ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c (number, place)"
        "  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.place) AS columns"
        " FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY(%s::oid[])",
        (list(catalogue.tables),),
    )
    return [ForeignKey(row["name"], row["table"], tuple(row["columns"]), row["referenced"]) for row in rows]


def statistics(server: Server, catalogue: Catalogue) -> Statistics:
    """What the statistics views have of the tables and indexes that are in the catalogue."""
    uses = server.session.query(
        "SELECT s.indexrelid::bigint AS oid, coalesce(s.idx_scan, 0) AS scans, c.reltuples::float8 AS tuples,"
        " pg_relation_size(s.indexrelid) AS bytes,"
        " i.indexprs IS NULL OR EXISTS (SELECT 1 FROM pg_stats p WHERE p.schemaname = s.schemaname"
        "  AND p.tablename = s.indexrelname) AS analysed"
        " FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid"
        " JOIN pg_index i ON i.indexrelid = s.indexrelid WHERE s.relid = ANY(%s::oid[])",
        (list(catalogue.tables),),
    )
    places = {(table.schema, table.name): oid for oid, table in catalogue.tables.items()}
    widths = server.session.query(
        "SELECT schemaname AS schema, tablename AS table, attname AS column,"
        " (avg_width * (1 - null_frac))::float8 AS width FROM pg_stats"
        " WHERE schemaname = ANY(%s) AND NOT inherited",
        (sorted({schema for schema, _name in places}),),
    )
    unanalysed = server.session.query(
        "SELECT s.relid::bigint AS oid, greatest(s.n_live_tup, s.n_mod_since_analyze) AS rows"
        " FROM pg_stat_user_tables s"
        " WHERE s.relid = ANY(%s::oid[]) AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL"
        " AND greatest(s.n_live_tup, s.n_mod_since_analyze) > 0 AND NOT EXISTS (SELECT 1 FROM pg_stats p"
        "  WHERE p.schemaname = s.schemaname AND p.tablename = s.relname)",
        (list(catalogue.tables),),
    )
    [counting] = server.session.query(
        "SELECT since::timestamptz(0)::text AS since, extract(epoch FROM now() - since)::float8 / 86400 AS days FROM"
        " (SELECT coalesce(stats_reset, pg_postmaster_start_time()) AS since FROM pg_stat_database"
        "  WHERE datname = current_database()) AS counting"
    )
    by_table: dict[int, dict[str, float]] = {}
    for row in widths:
        oid = places.get((row["schema"], row["table"]))
        if oid is not None:
            by_table.setdefault(oid, {})[row["column"]] = row["width"]
    return Statistics(
        {row["oid"]: Use(row["scans"], row["bytes"], row["tuples"], row["analysed"]) for row in uses},
        by_table,
        {row["oid"]: row["rows"] for row in unanalysed},
        counting["since"],
        counting["days"],
    )
