# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server says of its tables and indexes.

Every query reads the system catalogue and nothing else, and takes no lock on any
table. The session's search path is empty, so that the server writes expressions with
all names qualified: the same text for the same expression, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core.index_sql import identifier, passing_name
from .._core.index_wishes import Relations, Wish
from .._core.indexes import Catalogue, Column, Definition, Index, Key, Table
from .postgres import Session

_NO_TABLESPACE, _NO_CHECK, _NO_NULLS = 140000, 140000, 150000  # versions from which there is such a thing
TABLE_KINDS = ("r", "p", "m")


class Server:
    """A session and what is to be known of its server."""

    def __init__(self, session: Session) -> None:
        self.session = session
        row = session.query(
            "SELECT current_setting('server_version_num')::int AS version, current_setting('search_path') AS path,"
            " pg_is_in_recovery() AS standby, pg_backend_pid() AS pid, current_database() AS database,"
            " has_database_privilege(current_database(), 'TEMPORARY') AS temporary, current_user::text AS role"
        )[0]
        self.version: int = row["version"]
        self.path: str = row["path"]
        self.standby: bool = row["standby"]
        self.temporary: bool = row["temporary"]
        self.database: str = row["database"]
        self.role: str = row["role"]
        self.pid: int = row["pid"]
        # A killed run shall not build on: the server looks whether anybody is there still.
        checking = {"client_connection_check_interval": "2s"} if self.version >= _NO_CHECK else {}
        session.set({"search_path": "", "standard_conforming_strings": "on", **checking})

    def relations(self, default: str) -> Relations:
        """The kind and the OID of every relation that somebody has made."""
        rows = self.session.query(
            "SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.oid::bigint AS oid"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
            " AND n.nspname !~ '^pg_(toast_)?temp_'"
        )
        schemas = self.session.query("SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'")
        return Relations(
            {(row["schema"], row["name"]): (row["kind"], row["oid"]) for row in rows},
            frozenset(row["name"] for row in schemas),
            default,
        )

    def catalogue(self, oids: Iterable[int], wishes: Iterable[Wish], known: Relations) -> Catalogue:
        """The tables with their partitions, their indexes, and the indexes that have a wanted name."""
        names = {name for wish in wishes if wish.name for name in (wish.name, passing_name(wish.name))}
        named = [oid for place, (kind, oid) in known.relations.items() if place[1] in names and kind in ("i", "I")]
        tables = self.tables(oids, known)
        indexes = self.indexes(list(tables), named)
        places = {oid: (place, kind) for place, (kind, oid) in known.relations.items()}
        for index in indexes.values():
            if index.table not in tables and index.table in places:
                (schema, name), kind = places[index.table]
                tables[index.table] = Table(index.table, schema, name, kind)
        spaces = self.session.query(
            "SELECT t.spcname AS name, d.oid IS NOT NULL AS is_default FROM pg_tablespace t"
            " LEFT JOIN pg_database d ON d.dattablespace = t.oid AND d.datname = current_database()"
        )
        return Catalogue(
            tables,
            indexes,
            {place: kind for place, (kind, _oid) in known.relations.items()},
            default_tablespace=next((row["name"] for row in spaces if row["is_default"]), ""),
            tablespaces=frozenset(row["name"] for row in spaces),
            movable=self.version >= _NO_TABLESPACE,
        )

    def tables(self, oids: Iterable[int], known: Relations) -> dict[int, Table]:
        """The tables and, of partitioned ones, the partitions at every depth."""
        places = {oid: (place, kind) for place, (kind, oid) in known.relations.items()}
        wanted = list(dict.fromkeys(oids))
        partitioned = [oid for oid in wanted if places[oid][1] == "p"]
        children: dict[int, list[int]] = {}
        for row in self._tree(partitioned) if partitioned else ():
            children.setdefault(row["parent"], []).append(row["child"])
        every = list(dict.fromkeys([*wanted, *(child for group in children.values() for child in group)]))
        columns = self._columns(every)
        keys = self._partition_keys([oid for oid in every if places[oid][1] == "p"])
        return {
            oid: Table(
                oid,
                *places[oid][0],
                kind=places[oid][1],
                columns=tuple(column for _number, column in sorted(columns.get(oid, {}).items())),
                partition_keys=keys.get(oid, ()),
                children=tuple(children.get(oid, ())),
            )
            for oid in every
        }

    def _tree(self, partitioned: Sequence[int]) -> list[Any]:
        return self.session.query(
            "WITH RECURSIVE tree AS ("
            " SELECT i.inhparent, i.inhrelid FROM pg_inherits i WHERE i.inhparent = ANY(%s::oid[])"
            " UNION SELECT i.inhparent, i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.inhrelid)"
            " SELECT t.inhparent::bigint AS parent, t.inhrelid::bigint AS child FROM tree t"
            " JOIN pg_class c ON c.oid = t.inhrelid WHERE c.relispartition ORDER BY c.relname",
            (list(partitioned),),
        )

    def _columns(self, tables: Sequence[int]) -> dict[int, dict[int, Column]]:
        rows = self.session.query(
            "SELECT a.attrelid::bigint AS table, a.attnum AS number, a.attname AS name, a.attnotnull AS not_null,"
            " format_type(a.atttypid, a.atttypmod) AS type, coalesce(n.nspname, '') AS schema,"
            " coalesce(c.collname, '') AS collation FROM pg_attribute a"
            " LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace"
            " WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped",
            (list(tables),),
        )
        columns: dict[int, dict[int, Column]] = {}
        for row in rows:
            collation = identifier(row["schema"], row["collation"]) if row["collation"] else ""
            column = Column(row["name"], row["type"], collation, row["not_null"])
            columns.setdefault(row["table"], {})[row["number"]] = column
        return columns

    def _partition_keys(self, tables: Sequence[int]) -> dict[int, tuple[str | None, ...]]:
        if not tables:
            return {}
        rows = self.session.query(
            "SELECT p.partrelid::bigint AS table, array_agg(a.attname::text ORDER BY k.place) AS names"
            " FROM pg_partitioned_table p,"
            " unnest(string_to_array(p.partattrs::text, ' ')::int[]) WITH ORDINALITY AS k (number, place)"
            " LEFT JOIN LATERAL (SELECT attname FROM pg_attribute"
            "  WHERE attrelid = p.partrelid AND attnum = k.number AND attnum > 0) a ON true"
            " WHERE p.partrelid = ANY(%s::oid[]) GROUP BY p.partrelid",
            (list(tables),),
        )
        return {row["table"]: tuple(row["names"]) for row in rows}

    def indexes(self, tables: Sequence[int], named: Sequence[int] = ()) -> dict[int, Index]:
        """The indexes of the tables, and those of these OIDs."""
        where = "i.indrelid = ANY(%(tables)s::oid[]) OR i.indexrelid = ANY(%(named)s::oid[])"
        rows = self.rows(where, {"tables": list(tables), "named": list(named)})
        needed = self._needed([row["oid"] for row in rows]) if rows else {}
        builders = self._builders([row for row in rows if not row["valid"]])
        definitions = self.definitions(rows)
        return {
            row["oid"]: Index(
                oid=row["oid"],
                schema=row["schema"],
                name=row["name"],
                table=row["table"],
                definition=definitions[row["oid"]],
                valid=row["valid"] and row["ready"],
                live=row["live"],
                partitioned=row["partitioned"],
                parent=row["parent"],
                constraint=row["constraint"],
                constraint_kind=row["constraint_kind"],
                immediate=row["immediate"],
                needed_by=tuple(needed.get(row["oid"], ())),
                replica_identity=row["replica_identity"],
                builder=builders.get(row["oid"], 0),
                storage=dict(option.split("=", 1) for option in row["storage"] or ()),
                tablespace=row["tablespace"],
            )
            for row in rows
        }

    def rows(self, where: str, parameters: Mapping[str, Any]) -> list[Any]:
        """What pg_index has of some indexes; their expressions as the server writes them."""
        nulls = "i.indnullsnotdistinct" if self.version >= _NO_NULLS else "false"
        return self.session.query(
            f"""
            SELECT i.indexrelid::bigint AS oid, n.nspname AS schema, c.relname AS name, i.indrelid::bigint AS table,
                   c.relkind = 'I' AS partitioned, m.amname AS method, i.indisunique AS is_unique,
                   NOT {nulls} AS nulls_distinct, i.indimmediate AS immediate, i.indisvalid AS valid,
                   i.indisready AS ready, i.indislive AS live, i.indisreplident AS replica_identity,
                   i.indnkeyatts AS keys, string_to_array(i.indkey::text, ' ')::int[] AS numbers,
                   string_to_array(i.indclass::text, ' ')::bigint[] AS opclasses,
                   string_to_array(i.indcollation::text, ' ')::bigint[] AS collations,
                   string_to_array(i.indoption::text, ' ')::int[] AS options,
                   CASE WHEN i.indexprs IS NOT NULL THEN ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false)
                     FROM generate_series(1, i.indnkeyatts) AS k) END AS texts,
                   ARRAY(SELECT a.attname::text FROM unnest(string_to_array(i.indkey::text, ' ')::int[])
                     WITH ORDINALITY AS k (number, place) LEFT JOIN pg_attribute a
                     ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
                   ARRAY(SELECT coalesce(array_to_string(a.attoptions, E'\\x01'), '') FROM pg_attribute a
                     WHERE a.attrelid = i.indexrelid ORDER BY a.attnum) AS parameters,
                   coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate, c.reloptions AS storage,
                   coalesce(t.spcname, '') AS tablespace, coalesce(h.inhparent, 0)::bigint AS parent,
                   coalesce(k.conname, '') AS constraint, coalesce(k.contype::text, '') AS constraint_kind
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
            LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
            LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
            WHERE {where}
            """,  # noqa: S608 (only texts of this module)
            parameters,
        )

    def definitions(self, rows: Sequence[Any]) -> dict[int, Definition]:
        """The definition of each of the ``rows``."""
        opclasses = self._names("pg_opclass", "opc", [oid for row in rows for oid in row["opclasses"]])
        collations = self._names("pg_collation", "coll", [oid for row in rows for oid in row["collations"]])
        return {
            row["oid"]: Definition(
                method=row["method"],
                keys=tuple(_key(row, place, opclasses, collations) for place in range(row["keys"])),
                include=tuple(row["columns"][row["keys"] :]),
                predicate=row["predicate"],
                unique=row["is_unique"],
                nulls_distinct=row["nulls_distinct"],
            )
            for row in rows
        }

    def _names(self, table: str, prefix: str, oids: Iterable[int]) -> dict[int, str]:
        wanted = sorted(set(oids) - {0})
        rows = wanted and self.session.query(
            f"SELECT o.oid::bigint AS oid, n.nspname AS schema, o.{prefix}name AS name FROM {table} o"  # noqa: S608
            f" JOIN pg_namespace n ON n.oid = o.{prefix}namespace WHERE o.oid = ANY(%s::oid[])",
            (wanted,),
        )
        return {row["oid"]: identifier(row["schema"], row["name"]) for row in rows or ()}

    def _needed(self, indexes: Sequence[int]) -> dict[int, list[str]]:
        """The foreign keys that lean on a unique index."""
        rows = self.session.query(
            "SELECT k.conindid::bigint AS index, k.conname AS name FROM pg_constraint k"
            " WHERE k.contype = 'f' AND k.conindid = ANY(%s::oid[]) ORDER BY k.conname",
            (list(indexes),),
        )
        needed: dict[int, list[str]] = {}
        for row in rows:
            needed.setdefault(row["index"], []).append(row["name"])
        return needed

    def _builders(self, invalid: Sequence[Any]) -> dict[int, int]:
        """The pids of other sessions that are at work on INVALID indexes: at their build, or at their drop."""
        if not invalid:
            return {}
        rows = self.session.query(
            "SELECT x.oid AS index, p.pid FROM unnest(%(indexes)s::bigint[], %(tables)s::bigint[]) AS x (oid, relid)"
            " JOIN pg_stat_progress_create_index p ON p.datname = current_database() AND p.pid <> pg_backend_pid()"
            "  AND (p.index_relid::bigint = x.oid OR (coalesce(p.index_relid, 0) = 0"
            "       AND (p.relid IS NULL OR p.relid::bigint = x.relid)"
            "       AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = p.pid AND l.relation::bigint = x.relid"
            "                   AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted)))"
            " UNION SELECT l.relation::bigint, l.pid FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted"
            "  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            "  AND l.relation::bigint = ANY(%(indexes)s) AND l.mode = 'ShareUpdateExclusiveLock'"
            "  AND l.pid <> pg_backend_pid()",
            {"indexes": [row["oid"] for row in invalid], "tables": [row["table"] for row in invalid]},
        )
        return {row["index"]: row["pid"] for row in rows}


def _key(row: Any, place: int, opclasses: Mapping[int, str], collations: Mapping[int, str]) -> Key:
    expression = row["numbers"][place] == 0
    given = row["parameters"][place]
    return Key(
        text=row["texts"][place] if expression else row["columns"][place],
        expression=expression,
        opclass=row["opclasses"][place],
        collation=row["collations"][place],
        options=row["options"][place],
        parameters=tuple(sorted(given.split("\x01"))) if given else (),
        opclass_sql=opclasses.get(row["opclasses"][place], ""),
        collation_sql=collations.get(row["collations"][place], ""),
    )
