# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the edge what clients ask, good ones and others, and fail at the first wrong answer."""

import http.client
import socket
import ssl
import sys
import time

PATIENCE = 15
ADDRESS, DOMAIN, AUTHORITY = sys.argv[1:]


def secure(name=DOMAIN, version=None, protocols=("http/1.1",)):
    context = ssl.create_default_context(cafile=AUTHORITY)
    context.set_alpn_protocols(list(protocols))
    if version:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
    plain = socket.create_connection((ADDRESS, 443), 30)
    return context.wrap_socket(plain, server_hostname=name)


def ask(path, method="GET", body=None, **headers):
    connection = http.client.HTTPSConnection(DOMAIN)
    connection.sock = secure()
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def ask_often(times, path, method="GET", body=None):
    """The statuses of the answers over one connection, as fast as it goes."""
    connection = http.client.HTTPSConnection(DOMAIN)
    connection.sock = secure()
    statuses = []
    for _ in range(times):
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    return statuses


def plain(host, path="/"):
    connection = http.client.HTTPConnection(ADDRESS, timeout=10)
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse()


def refused(action, *errors):
    try:
        action()
    except errors:
        return True
    return False


def equal(found, wanted, what):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def encryption():
    equal(secure(protocols=("h2", "http/1.1")).selected_alpn_protocol(), "h2", "protocol")
    equal(secure().version(), "TLSv1.3", "version")
    equal(secure(version=ssl.TLSVersion.TLSv1_2).version(), "TLSv1.2", "version asked for")
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        equal(refused(lambda version=version: secure(version=version), ssl.SSLError, OSError), True, f"{version!r}")
    equal(refused(lambda: secure("evil.test"), ssl.SSLError), True, "handshake for another name")


def names():
    answer = plain(DOMAIN, "/a?b=c")
    equal((answer.status, answer.headers["Location"]), (301, f"https://{DOMAIN}/a?b=c"), "redirect")
    equal(refused(lambda: plain("evil.test"), ConnectionResetError), True, "HTTP for another name")
    equal(ask("/", Host="evil.test").status, 421, "HTTPS for another name")


def answers():
    answer = ask("/", X_Forwarded_For="6.6.6.6", X_Real_IP="6.6.6.6", Forwarded="for=6.6.6.6")
    _, client, host = answer.text.split()
    equal("6.6.6.6" in client or "," in client, False, f"believed address of the client {client}")
    equal(host, DOMAIN, "host")
    for header in ("X-Content-Type-Options", "X-Frame-Options", "Strict-Transport-Security", "Referrer-Policy"):
        equal(bool(answer.headers[header]), True, header)
    equal(answer.headers["Server"], "nginx", "Server")
    for path in ("/api/metrics", "/API/metrics", "/api//metrics", "/api/./metrics", "/%61pi/metrics", "/api%2fmetrics",
                 "/api\\metrics", "/api/metrics?x", "/api/health/deep"):  # fmt: skip
        equal(ask(path).status, 404, path)
    equal(ask("/x", "POST", b"x" * 2_000_000).status, 413, "large body")
    equal(ask("/api/upload", "POST", b"x" * 2_000_000).status, 200, "upload")


def cache():
    stamp = time.time_ns()
    for path, second in (
        (f"/_next/static/{stamp}.js", "HIT"),
        (f"/api/books/public.pdf?{stamp}", "HIT"),
        (f"/api/books/private.pdf?{stamp}", "MISS"),
        (f"/api/books/cookie.pdf?{stamp}", "MISS"),
    ):
        equal(ask(path).headers["X-Cache"], "MISS", f"{path}, first time")
        answer = ask(path)
        equal(answer.headers["X-Cache"], second, f"{path}, second time")
    equal("immutable" in ask(f"/_next/static/{stamp}.js").headers["Cache-Control"], True, "static files")


def limits():
    sign_ins = ask_often(60, "/api/auth/callback/credentials", "POST", b"x")
    equal(sign_ins[:20], [200] * 20, "first sign-ins")
    equal(sorted(set(sign_ins)), [200, 429], "sign-ins")
    equal(set(ask_often(60, "/page")), {200}, "pages meanwhile")
    slow = secure()
    slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
    began = time.monotonic()
    equal(slow.recv(100), b"", "answer to half a header")
    equal(time.monotonic() - began < PATIENCE, True, "patience with half a header")


for check in (encryption, names, answers, cache, limits):
    check()
