# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that speak to PostgreSQL."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_db:
    description: Name of the database to connect to; V(postgres) where none is given.
    type: str
  login_host:
    description:
      - Host of the server.
      - Without it and without O(login_unix_socket) the client library looks for a socket where it always does.
    type: str
    default: ''
  login_unix_socket:
    description: Directory of the server's Unix socket.
    type: str
    default: ''
  login_port:
    description: Port of the server; it is part of the name of the Unix socket as well.
    type: int
    default: 5432
  login_user:
    description: Role to log in as.
    type: str
    default: postgres
  login_password:
    description: Password of O(login_user).
    type: str
    default: ''
  session_role:
    description:
      - Role to become after the login with C(SET ROLE).
      - What the session creates belongs to this role.
    type: str
  ssl_mode:
    description: How a connection over TCP is encrypted and the server checked; see C(sslmode) in PostgreSQL's manual.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File with the certificates of the authorities that may have signed the server's.
    type: path
    aliases: [ssl_rootcert]
  ssl_cert:
    description: File with the client's certificate, for a server that asks for one.
    type: path
  ssl_key:
    description: File with the key of O(ssl_cert), readable for nobody else.
    type: path
  connect_timeout:
    description: How long to wait for a connection, such as V(10s); whole seconds, at least V(2s).
    type: str
    default: 10s
attributes:
  action_group:
    description: Options can be given once for all modules, as C(module_defaults) of C(group/firstbell.stack.postgres).
    support: full
    membership: [firstbell.stack.postgres]
requirements:
  - psycopg >= 3.1 (C(python3-psycopg) of Debian 12 and newer)
notes:
  - The connection must lead to the server itself. A pool in transaction mode, such as PgBouncer's, gives every
    transaction another session, and the session's settings and locks are lost.
"""
