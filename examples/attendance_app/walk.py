#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks through the app as a teacher's scanner does: sign in, scan, read a book.

    walk.py --address 10.203.0.11 --domain firstbell.test --ca-file ca.crt < password

Everything goes over HTTPS to the given address, with the domain's name and a
certificate that the given authority signed. The password comes on standard
input. Prints one JSON object; ends with 1 and the reason when a step fails.
"""

from __future__ import annotations

import argparse
import http.client
import http.cookies
import json
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any


class WalkError(Exception):
    """A step did not end as it should; the message names the step."""


class PinnedConnection(http.client.HTTPSConnection):
    """Connects to one address, whatever the name resolves to."""

    def __init__(self, address: str, domain: str, context: ssl.SSLContext) -> None:
        super().__init__(domain, timeout=30, context=context)
        self.address = address
        self.tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.address, self.port), timeout=self.timeout)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


@dataclass
class Browser:
    """Keeps cookies and one connection."""

    connection: PinnedConnection
    cookies: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body=data, headers=headers)
        response = self.connection.getresponse()
        for line in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return response.status, response.read()


def expect(step: str, answer: tuple[int, bytes], *statuses: int) -> bytes:
    """Return the body, or raise with the step's name."""
    status, body = answer
    if status not in statuses:
        raise WalkError(f"{step}: HTTP {status}: {body[:300].decode(errors='replace')}")
    return body


def walk(browser: Browser, username: str, password: str, student: str, session: int) -> dict[str, Any]:
    """Sign in, scan the student's card, see who is signed in, read a book."""
    started = time.monotonic()
    expect("login page", browser.request("GET", "/login"), 200)
    credentials = {"username": username, "password": password}
    expect("sign in", browser.request("POST", "/api/auth/signin", credentials), 200)
    scan = {"admissionNumber": student, "sessionId": session}
    recorded = json.loads(expect("scan", browser.request("POST", "/api/scan", scan), 200, 201))
    who = json.loads(expect("session", browser.request("GET", "/api/auth/session"), 200))
    if not who.get("user"):
        raise WalkError("session: nobody is signed in")
    book = expect("book", browser.request("GET", "/api/books/sample.pdf"), 200)
    if not book.startswith(b"%PDF-"):
        raise WalkError("book: this is no PDF")
    return {
        "user": who["user"]["name"],
        "student": recorded["student"],
        "duplicate": recorded["duplicate"],
        "book_bytes": len(book),
        "seconds": round(time.monotonic() - started, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--ca-file", help="the private authority's certificate; the system's authorities when omitted")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--student", default="A00001")
    parser.add_argument("--session", type=int, default=1)
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca_file)
    browser = Browser(PinnedConnection(options.address, options.domain, context))
    password = sys.stdin.readline().rstrip("\n")
    try:
        print(json.dumps(walk(browser, options.username, password, options.student, options.session)))
    except (WalkError, OSError, ssl.SSLError, http.client.HTTPException) as error:
        print(f"walk: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
