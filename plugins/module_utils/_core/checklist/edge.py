# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors meet, judged from outside the host: ports, TLS, redirects, headers, limits, caches."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ..firewall import parse_opening
from .model import Check, Facts, Judge, Outcome, check, failed, none_of, skipped, warned
from .services import SITE

_LEAST_DAYS, _LOW_DAYS = 7, 21
_DAYS_OF_ACME = 14
_SLOWEST_PAGE = 1.0
_SLACK = 16
_REDIRECT, _NOT_FOUND, _OK, _BAD = 301, 404, 200, 400
_REFUSED = (401, 403, 404)
_RESERVED = (".test", ".example", ".invalid", ".localhost", ".local", ".internal")
_CLOSED = (
    "What firewall-rules, services-healthy and networks say; where all three are green, what is in front of the host, "
    "such as the provider's firewall"
)
_UNTESTED = ("no protocols available", "unsupported protocol", "no ciphers available")


def _curl(words: str) -> str:
    return f"curl --silent --show-error --head {words}"


def _edge(facts: Facts) -> dict[str, Any]:
    return dict(facts.expected["edge"])


def _outside(
    name: str, rows: str, title: str, *, target: str, command: str, needs: str, topic: str = "edge", fix: str = SITE
) -> Callable[[Judge], Check]:
    """A check from outside; it has nothing to look at where the edge is switched off."""

    def make(judge: Judge) -> Check:
        def judged(facts: Facts) -> Outcome:
            if not _edge(facts)["enabled"]:
                return skipped("the edge is switched off (edge_enabled)")
            return judge(facts)

        return check(name, rows, topic, title, target=target, command=command, fix=fix, needs=needs, outside=True)(
            judged
        )

    return make


@check(
    "open-ports",
    "S54 S107",
    "network",
    "From outside, only the site and the way in for administrators can be reached",
    target="the ports that the firewall's rules open to everybody, and no other",
    command="nmap -Pn -p- HOST (from another machine)",
    fix=f"Find what listens: ss -ltnp, docker ps. {SITE}",
    needs="scan",
    outside=True,
)
def open_ports(facts: Facts) -> Outcome:
    openings = [parse_opening(rule) for rule in facts.expected["firewall"]["rules"]]
    public = [one for one in openings if one.protocol == "tcp" and one.source not in ("peers", "containers")]
    if any(seen["own"] for seen in facts.seen["scan"].values()):
        return skipped(
            "this controller is the host itself, which no firewall is in front of: nmap from another machine"
        )
    edge, problems, lines, closed = _edge(facts), [], [], []
    needed = {edge["http_port"], edge["https_port"]} if edge["enabled"] else set()
    for number, (address, seen) in enumerate(facts.seen["scan"].items()):
        lines.append(f"{address}: {seen['open']} of {seen['tried']} tried")
        problems += [
            f"port {port} of {address} is open"
            for port in seen["open"]
            if not any(one.first <= port <= one.last for one in public)
        ]
        # The host may well have no way to us by its second protocol.
        if number == 0:
            closed = [f"port {port} of {address} is closed" for port in sorted(needed - set(seen["open"]))]
    listed = ", ".join(f"{one.first}-{one.last}" if one.first != one.last else str(one.first) for one in public)
    fix = "" if problems else _CLOSED
    return none_of(
        [*closed, *problems], "; ".join(lines), "\n".join(lines), target=f"TCP {listed}, and no other", fix=fix
    )


@_outside(
    "tls-protocols",
    "S36 S101",
    "Only current versions of TLS are spoken",
    target="TLS 1.2 and 1.3, nothing older",
    command="openssl s_client -connect HOST:443 -servername DOMAIN -tls1_1 -cipher ALL:@SECLEVEL=0",
    needs="tls",
)
def tls_protocols(facts: Facts) -> Outcome:
    seen = facts.seen["tls"]
    problems = [f"{name} is taken" for name, one in seen["old"].items() if "version" in one]
    problems += [f"{name} is refused: {one['refused']}" for name, one in seen["new"].items() if "refused" in one]
    untested = [
        name for name, one in seen["old"].items() if any(words in one.get("refused", "") for words in _UNTESTED)
    ]
    lines = [f"{n}: {one.get('version') or one['refused']}" for n, one in [*seen["old"].items(), *seen["new"].items()]]
    if untested and not problems:
        return skipped(f"this controller's OpenSSL cannot speak {', '.join(untested)}")
    return none_of(problems, "TLS 1.2 and 1.3", "\n".join(lines))


@_outside(
    "tls-ciphers",
    "S36 S101",
    "No weak cipher is taken",
    target="only ciphers with forward secrecy and authenticated encryption (Mozilla intermediate)",
    command="openssl s_client -connect HOST:443 -servername DOMAIN -tls1_2 -cipher AES128-SHA:@SECLEVEL=0",
    needs="tls",
)
def tls_ciphers(facts: Facts) -> Outcome:
    seen = facts.seen["tls"]
    problems = [f"{seen['weak']['cipher']} is taken"] if "version" in seen["weak"] else []
    chosen = [f"{name}: {one['cipher']}" for name, one in seen["new"].items() if "cipher" in one]
    return none_of(problems, ", ".join(chosen), f"weak ones: {seen['weak']}")


@_outside(
    "certificate",
    "S36 S101",
    "The site's certificate is trusted, is for its name, and will not end soon",
    target=f"a known authority, the domain's name, more than {_LOW_DAYS} days left ({_DAYS_OF_ACME} with ACME), "
    "the one of site.pem",
    command="openssl s_client -connect HOST:443 -servername DOMAIN </dev/null | openssl x509 -noout -subject -enddate",
    fix="docs/operations.md, certificates. Private authority: make site; ACME: systemctl start {stack}-certificate",
    needs="tls",
)
def certificate(facts: Facts) -> Outcome:
    seen, edge = facts.seen["tls"], _edge(facts)
    if "refused" in seen["trusted"]:
        return failed("it is not to be trusted", str(seen["trusted"]), reason=seen["trusted"]["refused"])
    disk, shown = seen["disk"], seen["trusted"]["fingerprint"]
    if disk.get("problem"):
        return failed(f"{disk['path']} {disk['problem']}; nginx goes on with the one it has read until it starts anew")
    if disk.get("fingerprint", shown) != shown:
        return failed(f"nginx shows another one than {disk['path']} holds")
    others = [one for one in edge["aliases"] if not {one, f"*.{one.partition('.')[2]}"} & {*seen["names"]}]
    if others:
        return failed(f"it is not for {', '.join(others)}, which the site is reached by as well", str(seen["names"]))
    ends = datetime.fromtimestamp(seen["ends"], tz=timezone.utc)
    days = (seen["ends"] - seen["now"]) / 86400
    measured = f"for {', '.join(seen['names'])}, {days:.0f} days left (until {ends:%Y-%m-%d}), {edge['certificate']}"
    low = _DAYS_OF_ACME if edge["certificate"] == "acme" else _LOW_DAYS
    if days < _LEAST_DAYS:
        return failed(measured, measured)
    return warned(measured, measured) if days < low else none_of([], measured, str(seen["names"]))


@_outside(
    "redirect",
    "S36",
    "Who comes unencrypted is sent to the encrypted site",
    target="301 to https",
    command=_curl("http://DOMAIN/"),
    needs="site",
)
def redirect(facts: Facts) -> Outcome:
    seen, edge = facts.seen["site"]["plain"], _edge(facts)
    port = "" if edge["https_port"] == 443 else f":{edge['https_port']}"  # noqa: PLR2004
    wanted = f"https://{edge['domain']}{port}/firstbell-verify"
    got = f"{seen['status']} {seen['headers'].get('location', '')}"
    return none_of([] if got == f"{_REDIRECT} {wanted}" else [f"the answer is {got}"], got, got)


@_outside(
    "site-answers",
    "S10 S41 S96",
    "The site answers, and fast enough",
    target=f"the first page and the readiness path without an error, the page within {_SLOWEST_PAGE:g} s",
    command="curl --silent --output /dev/null --write-out '%{http_code} %{time_total}' https://DOMAIN/",
    fix="docker service ps --no-trunc {stack}_app; docker service logs --since 10m {stack}_app",
    needs="site",
)
def site_answers(facts: Facts) -> Outcome:
    seen = facts.seen["site"]
    fastest = min((one["seconds"] for one in (seen["page"], seen["again"])), default=0.0)
    problems = [
        f"{path} answers {one['status']}"
        for path, one in ((seen["path"], seen["page"]), (_edge(facts)["readiness_path"], seen["ready"]))
        if not _OK <= one["status"] < _BAD
    ]
    if seen["page"]["status"] == _NOT_FOUND:
        problems.append("where the site's first page has another path, name it in monitoring_probe_path")
    problems += [f"the page took {fastest:.2f} s"] if fastest > _SLOWEST_PAGE else []
    return none_of(
        problems, f"{seen['path']} {seen['page']['status']} in {fastest:.2f} s", str(seen["page"]["headers"])
    )


@_outside(
    "headers",
    "S36 S92",
    "Browsers are told to come back encrypted only, and not to be framed or fooled",
    target="HSTS, nosniff and frame options as configured; no version of a program is told",
    command=_curl("https://DOMAIN/"),
    needs="site",
)
def headers(facts: Facts) -> Outcome:
    has, edge = facts.seen["site"]["page"]["headers"], _edge(facts)
    wanted = {"strict-transport-security": edge["hsts"], "x-content-type-options": "nosniff"}
    problems = [
        f"{name} is {has.get(name, 'missing')}, not {value}"
        for name, value in wanted.items()
        if value and has.get(name) != value
    ]
    if edge["frame_options"] and "x-frame-options" not in has:
        problems.append("x-frame-options is missing")
    if any(letter.isdigit() for letter in has.get("server", "")):
        problems.append(f"the server tells its version: {has['server']}")
    if "x-powered-by" in has:
        problems.append(f"x-powered-by is told: {has['x-powered-by']}")
    lines = [f"{name}: {value}" for name, value in sorted(has.items())]
    return none_of(problems, f"strict-transport-security: {has.get('strict-transport-security')}", "\n".join(lines))


@_outside(
    "strangers",
    "S36 S92",
    "A request for another name gets no answer",
    target="the connection is closed, without a certificate and without a page",
    command="curl --silent http://HOST/ --header 'Host: unknown.invalid'",
    needs="site tls",
)
def strangers(facts: Facts) -> Outcome:
    plain, secured = facts.seen["site"]["stranger"], facts.seen["tls"]["stranger"]
    problems = [f"http answers {plain['status']}"] if plain["status"] else []
    problems += ["https shows a certificate"] if "version" in secured else []
    return none_of(problems, "closed", f"{plain}\n{secured}")


@_outside(
    "private-paths",
    "S54 S64",
    "What is meant for monitoring only is not shown to visitors",
    target="404 for /api/metrics, 401 for the pages of the monitoring",
    command=_curl("https://DOMAIN/api/metrics"),
    needs="site",
)
def private_paths(facts: Facts) -> Outcome:
    status = facts.seen["site"]["private"]["status"]
    problems = [] if status == _NOT_FOUND else [f"/api/metrics answers {status}"]
    guarded = facts.seen["site"]["guarded"]
    problems += [
        f"{path} answers {status} without a password" for path, status in guarded.items() if status not in _REFUSED
    ]
    return none_of(problems, ", ".join(["/api/metrics 404", *(f"{path} {status}" for path, status in guarded.items())]))


@_outside(
    "static-cache",
    "S10 S38 S110",
    "Static files come from the cache, and browsers keep them",
    target="the second request is a HIT, and Cache-Control says immutable",
    command=_curl("https://DOMAIN/_next/static/FILE"),
    needs="site",
)
def static_cache(facts: Facts) -> Outcome:
    seen = facts.seen["site"]
    if not seen["asset"]:
        return skipped("the first page names no static file")
    has = seen["static"][1]["headers"]
    problems = [] if has.get("x-cache") == "HIT" else [f"the second request is a {has.get('x-cache', 'miss')}"]
    problems += [] if "immutable" in has.get("cache-control", "") else [f"cache-control {has.get('cache-control')}"]
    return none_of(problems, f"{has.get('x-cache')}, {has.get('cache-control')}", f"{seen['asset']}\n{has}")


@_outside(
    "compression",
    "S98",
    "Pages are sent compressed",
    target="gzip or brotli for what browsers can unpack",
    command="curl --silent --head --compressed https://DOMAIN/",
    needs="site",
)
def compression(facts: Facts) -> Outcome:
    seen = facts.seen["site"]
    tried = [one for one in (seen["page"], *seen["static"]) if one["bytes"] > 1024]  # noqa: PLR2004 - gzip_min_length
    if not tried:
        return skipped("nothing that was asked for is large enough")
    kinds = [one["headers"].get("content-encoding", "none") for one in tried]
    return none_of([] if "none" not in kinds else ["an answer is not compressed"], ", ".join(kinds))


@_outside(
    "sticky",
    "S39 S43",
    "A visitor stays with one replica exactly if that was asked for",
    target="the cookie is set where edge_sticky is on, and nowhere else",
    command=_curl("https://DOMAIN/"),
    needs="site",
)
def sticky(facts: Facts) -> Outcome:
    edge = _edge(facts)
    found = [one for one in facts.seen["site"]["page"]["cookies"] if one.startswith(f"{edge['sticky_cookie']}=")]
    problems = []
    if edge["sticky"] and not found:
        problems = ["no cookie is set, though edge_sticky is on"]
    elif found and not edge["sticky"]:
        problems = ["the cookie is set, though edge_sticky is off"]
    elif found and not all("secure" in one.lower() and "httponly" in one.lower() for one in found):
        problems = ["the cookie is not protected (Secure, HttpOnly)"]
    return none_of(problems, "on" if found else "off", target="on" if edge["sticky"] else "off")


@_outside(
    "rate-limit",
    "S37",
    "Who tries passwords without pause is stopped",
    target="429 once the burst is used up",
    command="for i in $(seq 60); do curl --silent --output /dev/null --write-out '%{http_code} ' --data '' URL; done",
    needs="limit",
)
def rate_limit(facts: Facts) -> Outcome:
    seen, edge = facts.seen["limit"], _edge(facts)
    if not edge["sign_in_path"]:
        return skipped("no path counts as a sign-in (edge_sign_in_paths)")
    allowed = edge["sign_in_burst"] + 1 + edge["sign_in_per_second"] * seen["seconds"]
    measured = f"{seen['passed']} attempts were let through in {seen['seconds']} s"
    target = f"429 after {edge['sign_in_burst'] + 1}, and {edge['sign_in_per_second']} a second"
    if not seen["limited"] and seen["passed"] <= allowed:
        return skipped(f"the way to the host is too slow to try it: {measured}")
    problems = [] if seen["limited"] else [f"{measured}, and none was refused"]
    if seen["limited"] and seen["passed"] > allowed + _SLACK:
        problems.append(f"{measured}, and {allowed:.0f} are allowed")
        if edge["shared_networks"]:
            return skipped("this controller is in one of edge_shared_networks, which have other limits")
    return none_of(problems, f"{measured}, then 429", measured, target=target)


@_outside(
    "domain",
    "S101",
    "The site's name leads to this host",
    target="the name's addresses are the host's, and each alias leads somewhere",
    command="getent ahosts DOMAIN",
    fix="Change the name's A and AAAA records at its registrar",
    needs="names",
)
def domain(facts: Facts) -> Outcome:
    seen, name = facts.seen["names"], _edge(facts)["domain"]
    if name.endswith(_RESERVED):
        return skipped(f"{name} is a name for tests, which no public name server knows")
    if not seen["addresses"]:
        return failed("the name leads nowhere", reason=seen["error"])
    address, found = facts.seen["address"], ", ".join(seen["addresses"])
    if address not in seen["addresses"] and _is_address(address):
        return warned(f"it leads to {found}, and the host was reached at {address}; right only with a proxy in front")
    strange = sorted({*seen["addresses"]} - {*facts.seen["own_addresses"]}) if _is_address(address) else []
    if strange:
        return warned(f"it leads to {', '.join(strange)} as well, which is no address of this host", found)
    return none_of([f"{one} leads nowhere" for one, leads in seen["aliases"].items() if not leads], found, found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
