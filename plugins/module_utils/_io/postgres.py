# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of a PostgreSQL server, over psycopg 3.1 and newer.

The connection is in autocommit mode: what is sent is what happens, and a text of
several statements goes out as one simple query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from .._core.errors import FirstbellError
from .._core.sql import ServerError, mask
from .._core.units import parse_duration

try:
    import psycopg
    from psycopg import sql
    from psycopg.pq import ExecStatus, TransactionStatus
    from psycopg.rows import dict_row

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

# The argument spec that belongs to the doc fragment firstbell.stack.postgres.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "login_db": {"type": "str"},
    "login_host": {"type": "str", "default": ""},
    "login_unix_socket": {"type": "str", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "session_role": {"type": "str"},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ca_cert": {"type": "path", "aliases": ["ssl_rootcert"]},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path", "no_log": False},
    "connect_timeout": {"type": "str", "default": "10s"},
}
MUTUALLY_EXCLUSIVE = [("login_host", "login_unix_socket")]


class ConnectError(FirstbellError):
    """No session with the server."""


class QueryError(FirstbellError):
    """The server refused a query; ``error`` is what it said, ``completed`` the number of statements before it."""

    def __init__(self, error: ServerError, where: str, completed: int = 0) -> None:
        super().__init__(f"{where}: {error.text()}")
        self.error = error
        self.completed = completed


class Session:
    """One connection. Use it as a context manager."""

    def __init__(self, connection: Any, where: str) -> None:
        self._connection = connection
        self._where = where

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def query(self, query: Any, parameters: Sequence[object] | Mapping[str, object] | None = None) -> list[Any]:
        """The rows as dicts, or nothing for a query that returns none; raises QueryError."""
        try:
            cursor = self._connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise QueryError(_server_error(error), self._where) from None

    def script(self, text: str) -> None:
        """Send a text of any number of statements as one simple query; raises QueryError."""
        pgconn = self._connection.pgconn
        completed = 0
        failed = None
        try:
            pgconn.send_query(text.encode())
            while (result := pgconn.get_result()) is not None:
                if result.status == ExecStatus.FATAL_ERROR:
                    failed = failed or psycopg.errors.error_from_result(result, "utf-8")
                elif not failed:
                    completed += 1
                _end_copy(pgconn, result.status)
        except psycopg.Error as error:
            failed = failed or error
        if failed:
            raise QueryError(_server_error(failed), self._where, completed)

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings of the session."""
        for name, value in settings.items():
            self.query("SELECT set_config(%s, %s, false)", (name, value))

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return bool(self._connection.info.transaction_status != TransactionStatus.IDLE)


def connect(
    params: Mapping[str, Any], settings: Mapping[str, str] | None = None, application: str = "firstbell"
) -> Session:
    """A session as the ``login_*`` options say, with ``settings`` of its own; raises ConnectError."""
    if MISSING:
        raise ConnectError(
            f"the Python library psycopg 3 is missing on this host ({MISSING}): install the package python3-psycopg"
        )
    host = params["login_unix_socket"] or params["login_host"]
    database = params["login_db"] or "postgres"
    options = {
        "host": host,
        "port": params["login_port"],
        "user": params["login_user"],
        "password": params["login_password"],
        "dbname": database,
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "connect_timeout": max(2, round(parse_duration(params["connect_timeout"], "connect_timeout"))),
        "application_name": application,
        "client_encoding": "utf8",
    }
    where = f"PostgreSQL at {host or 'the local socket'}, port {params['login_port']}, database {database}"
    try:
        connection = psycopg.connect(
            **{name: value for name, value in options.items() if value not in (None, "")},
            autocommit=True,
            row_factory=dict_row,
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise ConnectError(f"{where}: cannot log in as {params['login_user']}: {mask(str(error))}") from None
    session = Session(connection, where)
    try:
        if params["session_role"]:
            session.query(compose("SET ROLE {role}", role=(params["session_role"],)))
        session.set(settings or {})
    except QueryError:
        connection.close()
        raise
    return session


def compose(query: str, literals: Sequence[str] = (), **identifiers: tuple[str, ...]) -> Any:
    """The query with each ``{name}`` replaced by an identifier, quoted: ``("public", "t")`` is ``"public"."t"``.

    ``{literals}`` stands for the constants, with commas between them.
    """
    parts = {name: sql.Identifier(*identifier) for name, identifier in identifiers.items()}
    return sql.SQL(query).format(literals=sql.SQL(", ").join(map(sql.Literal, literals)), **parts)


def milliseconds(duration: object, name: str) -> str:
    """A duration option as a value for a PostgreSQL timeout; ``0`` switches it off."""
    return f"{round(parse_duration(duration, name) * 1000)}ms"


def _end_copy(pgconn: Any, status: int) -> None:
    """Get out of a COPY with the client, for which a script has no data and no place."""
    if status == ExecStatus.COPY_IN:
        pgconn.put_copy_end(b"a script that is run by itself has no data for COPY FROM STDIN")
    elif status == ExecStatus.COPY_OUT:
        while pgconn.get_copy_data(0)[0] > 0:
            pass


def _server_error(error: Any) -> ServerError:
    diag = error.diag
    position = diag.statement_position
    return ServerError(
        severity=diag.severity_nonlocalized or "ERROR",
        code=error.sqlstate or "",
        message=diag.message_primary or str(error),
        detail=diag.message_detail or "",
        hint=diag.message_hint or "",
        context=diag.context or "",
        position=int(position) if position else None,
    )
