# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's clients meet, seen from the controller: open ports, TLS, answers, limits."""

from __future__ import annotations

import concurrent.futures
import gzip
import http.client
import re
import selectors
import socket
import ssl
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from . import documents, vault
from .certificates import fingerprint

_TIMEOUT = 10.0
_SCAN_TIMEOUT = 1.5
_SCAN_AT_ONCE = 400
_WELL_KNOWN = (*range(1, 1025), 2375, 2376, 2377, 3000, 3001, 3306, 4789, 5432, 6379, 6432, 7946, 8080, 8404, 8405)
_FURTHER = (8443, 9000, 9090, 9091, 9093, 9100, 9113, 9115, 9121, 9127, 9187, 9323, 27017)
_OLD = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}
_NEW = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_WEAK = "AES128-SHA:AES256-SHA:AES128-GCM-SHA256:DES-CBC3-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:aNULL:eNULL"
_CLIENTS = 8
_LONGEST_BURST = 12.0
_UNKNOWN_NAME = "unknown.invalid"
_BODY = 1 << 20
_REDIRECTS = 3


@dataclass(frozen=True)
class Site:
    """Where and under which name the site is."""

    address: str
    domain: str
    http_port: int
    https_port: int
    authority: str = ""
    ca_file: str = ""

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.authority:
            context.load_verify_locations(cadata=self.authority)
        if self.ca_file:
            context.load_verify_locations(cafile=self.ca_file)
        return context


def gather(
    names: Iterable[str], addresses: list[str], expected: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts by name, and why others are missing."""
    edge = expected["edge"]
    private = edge["certificate"] == "local_ca"
    site = Site(
        addresses[0],
        edge["domain"],
        int(edge["http_port"]),
        int(edge["https_port"]),
        facts.get("authority", "") if private else "",
        edge["ca_file"],
    )
    gatherers = {
        "scan": lambda: {address: _scanned(address, facts) for address in addresses if address},
        "tls": lambda: {**tls(site), "disk": facts.get("certificate", {})},
        "site": lambda: answers(site, edge, expected.get("monitoring", {})),
        "names": lambda: {
            **resolve(site.domain),
            "aliases": {one: resolve(one)["addresses"] for one in edge["aliases"]},
        },
        "documents": documents.gather,
        "vault": lambda: vault.gather(facts["inventory"], facts["password_file"], facts["secrets"]),
        # Last: from then on this client is one that asks too much.
        "limit": lambda: burst(site, edge),
    }
    wanted = set(names)
    found: dict[str, Any] = {"address": addresses[0], "own_addresses": [*addresses, *facts.get("own_addresses", [])]}
    errors: dict[str, str] = {}
    for name, gatherer in gatherers.items():
        if name in wanted:
            try:
                found[name] = gatherer()
            except Exception as error:  # noqa: BLE001 - the checks that need it fail, the others do not
                errors[name] = f"{site.address}: {error if str(error) else type(error).__name__}"
    return found, errors


def _ports(facts: Mapping[str, Any]) -> list[int]:
    """What is worth a try: the ports that something listens on, and those that others are known by."""
    return sorted({*_WELL_KNOWN, *_FURTHER, *(int(port) for port in facts.get("listeners", []))})


def _scanned(address: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The open ports; of this machine itself none is tried, as its firewall lets everything through to itself."""
    own = is_own(address)
    return {**({"open": [], "tried": 0} if own else scan(address, _ports(facts))), "own": own}


def is_own(address: str) -> bool:
    """Whether an address is one of this machine's."""
    family, _kind, _protocol, _name, target = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        try:
            # Nothing is sent by that.
            one.connect(target)
        except OSError:
            return False
        return bool(one.getsockname()[0] == target[0])


def scan(address: str, ports: Iterable[int]) -> dict[str, Any]:
    """The TCP ports that take a connection."""
    family, _kind, _protocol, _name, target = socket.getaddrinfo(address, 1, type=socket.SOCK_STREAM)[0]
    waiting, taken, tried = list(ports), [], 0
    with selectors.DefaultSelector() as selector:
        deadlines: dict[socket.socket, tuple[int, float]] = {}
        while waiting or deadlines:
            while waiting and len(deadlines) < _SCAN_AT_ONCE:
                one = socket.socket(family, socket.SOCK_STREAM)
                one.setblocking(False)
                port = waiting.pop()
                tried += 1
                one.connect_ex((target[0], port, *target[2:]))
                selector.register(one, selectors.EVENT_WRITE)
                deadlines[one] = (port, time.monotonic() + _SCAN_TIMEOUT)
            for key, _events in selector.select(0.1):
                one = key.fileobj  # type: ignore[assignment]
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    taken.append(deadlines[one][0])
                deadlines[one] = (0, 0.0)
            now = time.monotonic()
            for one in [one for one, (_port, end) in deadlines.items() if end <= now]:
                selector.unregister(one)
                one.close()
                del deadlines[one]
    return {"open": sorted(taken), "tried": tried}


def _plain_context(least: ssl.TLSVersion, most: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = least, most
    return context


def _handshake(site: Site, context: ssl.SSLContext, name: str = "") -> dict[str, Any]:
    """What was agreed on, or the refusal's words."""
    try:
        with (
            socket.create_connection((site.address, site.https_port), timeout=_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=name or site.domain) as secured,
        ):
            cipher = secured.cipher() or ("", "", 0)
            return {
                "version": secured.version(),
                "cipher": cipher[0],
                "certificate": secured.getpeercert() or {},
                "fingerprint": fingerprint(secured.getpeercert(binary_form=True) or b""),
            }
    except (ssl.SSLError, ConnectionError) as error:
        return {"refused": str(error)}


def tls(site: Site) -> dict[str, Any]:
    """Which protocols and ciphers are taken, and whether the certificate is to be trusted."""
    trusting = _handshake(site, site.trusting())
    certificate = trusting.get("certificate") or {}
    return {
        "old": {name: _handshake(site, _plain_context(one, one)) for name, one in _OLD.items()},
        "new": {name: _handshake(site, _plain_context(one, one)) for name, one in _NEW.items()},
        "weak": _handshake(site, _plain_context(_NEW["TLSv1.2"], _NEW["TLSv1.2"], f"{_WEAK}:@SECLEVEL=0")),
        "trusted": trusting,
        "ends": ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else 0,
        "names": [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"],
        "stranger": _handshake(site, _plain_context(*_NEW.values()), _UNKNOWN_NAME),
        "now": time.time(),
    }


def _connection(site: Site, secured: bool) -> http.client.HTTPConnection:
    plain = socket.create_connection((site.address, site.https_port if secured else site.http_port), timeout=_TIMEOUT)
    connection = http.client.HTTPConnection(site.domain, timeout=_TIMEOUT)
    if secured:
        # Whether the certificate is good is another question.
        context = _plain_context(*_NEW.values(), ciphers="DEFAULT")
        plain = context.wrap_socket(plain, server_hostname=site.domain)
    connection.sock = plain
    return connection


def ask(site: Site, path: str, *, secured: bool = True, method: str = "GET", name: str = "") -> dict[str, Any]:
    """One request; the status is 0 where the connection is closed without an answer."""
    connection = _connection(site, secured)
    port = "" if site.https_port == 443 else f":{site.https_port}"  # noqa: PLR2004
    start = time.monotonic()
    try:
        headers = {"Host": name or site.domain + port, "Accept-Encoding": "gzip", "User-Agent": "firstbell-verify"}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(_BODY)
    except (http.client.BadStatusLine, ConnectionError) as error:
        return {"status": 0, "headers": {}, "cookies": [], "body": b"", "seconds": 0.0, "closed": str(error)}
    finally:
        connection.close()
    return {
        "status": answer.status,
        # Of one that comes twice browsers take the first.
        "headers": {key.lower(): value for key, value in reversed(answer.getheaders())},
        "cookies": answer.headers.get_all("Set-Cookie") or [],
        "body": body,
        "seconds": round(time.monotonic() - start, 3),
    }


def answers(site: Site, edge: Mapping[str, Any], monitoring: Mapping[str, Any]) -> dict[str, Any]:
    """A visitor's first steps, and those of somebody who looks for what is none of his business."""
    path = monitoring.get("probe_path", "/")
    page = ask(site, path)
    for _step in range(_REDIRECTS):
        target = urlsplit(urljoin(f"https://{site.domain}{path}", page["headers"].get("location", "")))
        # Who signs in elsewhere is sent there, and that is the site's answer.
        elsewhere = target.hostname not in (site.domain, *edge["aliases"])
        if page["status"] not in (301, 302, 303, 307, 308) or "location" not in page["headers"] or elsewhere:
            break
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        page = ask(site, path)
    asset = _asset(page, edge["static_paths"])
    return {
        "path": path,
        "page": _shown(page),
        "again": _shown(ask(site, path)),
        "plain": _shown(ask(site, "/firstbell-verify", secured=False)),
        "stranger": _shown(ask(site, "/", secured=False, name=_UNKNOWN_NAME)),
        "private": _shown(ask(site, "/api/metrics")),
        "guarded": {path: ask(site, f"{path.rstrip('/')}/-/ready")["status"] for path in monitoring.get("paths", ())},
        "ready": _shown(ask(site, edge["readiness_path"])),
        "asset": asset,
        "static": [_shown(ask(site, asset)) for _time in range(2)] if asset else [],
    }


def _asset(page: Mapping[str, Any], paths: Iterable[str]) -> str:
    """A static file that the page names."""
    body = page["body"]
    if page["headers"].get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    for path in paths:
        found = re.search(rf"{re.escape(path)}[A-Za-z0-9_./%~-]+\.(?:js|css)", body.decode("utf-8", "replace"))
        if found:
            return found[0]
    return ""


def _shown(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in answer.items() if key != "body"}, "bytes": len(answer["body"])}


def resolve(domain: str) -> dict[str, Any]:
    """The addresses that the world reaches by that name."""
    try:
        found = socket.getaddrinfo(domain, 443, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return {"addresses": [], "error": str(error)}
    return {"addresses": sorted({str(entry[4][0]) for entry in found}), "error": ""}


def burst(site: Site, edge: Mapping[str, Any]) -> dict[str, Any]:
    """Sign-in attempts, faster than one client may, until the first refusal; what they send signs nobody in."""
    limit, rate = int(edge["sign_in_burst"]), int(edge["sign_in_per_second"])
    start, passed = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        while time.monotonic() - start < _LONGEST_BURST and len(passed) < 3 * (limit + rate) + 50:
            asked = [pool.submit(ask, site, edge["sign_in_path"], method="POST") for _one in range(_CLIENTS)]
            statuses = [one.result()["status"] for one in asked]
            passed += [status for status in statuses if status != 429]  # noqa: PLR2004
            if 429 in statuses:  # noqa: PLR2004
                return {"limited": True, "passed": len(passed), "seconds": round(time.monotonic() - start, 2)}
    return {"limited": False, "passed": len(passed), "seconds": round(time.monotonic() - start, 2)}
