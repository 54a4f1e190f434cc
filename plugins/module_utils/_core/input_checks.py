# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inputs of the roles may be, beyond their types: one table, from variable to check.

A check takes a value and what to call it, and raises InputError. What goes into a
file of nginx or HAProxy must not end the place where the template puts it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from . import sysctls
from .engine_config import KNOWN as ENGINE_OPTIONS
from .errors import InputError
from .findings import Finding
from .names import check_domain, check_email, near
from .overrides import count
from .setting_checks import SETTING_CHECKS
from .units import shown

Check = Callable[[object, str], object]

_MOST = 2**31 - 1
_PCRE_ONLY = re.compile(r"\(\?[<>|P+&R']|\\[hHKNpPQERXzGgk]|[+*?}]\+|\[\[:")
"""What nginx's regular expressions know and Python's may not."""
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r".*(PASSWORD|SECRET|TOKEN|_KEY)|DATABASE_URL|REDIS_URL", re.IGNORECASE)
_PUBLIC_NAME = re.compile(r"NEXT_PUBLIC_.*|.*PUBLIC_KEY", re.IGNORECASE)
_SYSCTL_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")


def _refused(path: str, value: object, problem: str) -> InputError:
    return InputError(f"{path}: {shown(value)} {problem}")


def _text(pattern: str, problem: str, *, empty: bool = False) -> Check:
    """One line of text of this form, or a number that is written so."""
    form = re.compile(pattern)

    def check(value: object, path: str) -> object:
        usable = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        if not usable or not (form.fullmatch(str(value)) or (empty and value == "")):
            raise _refused(path, value, problem)
        return value

    return check


def _number(least: int, most: int = _MOST) -> Check:
    def check(value: object, path: str) -> object:
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        try:
            return count(value, path, least, most)
        except InputError:
            raise _refused(path, value, f"is no whole number between {least} and {most}") from None

    return check


def _unless(word: str, check: Check) -> Check:
    return lambda value, path: value if value == word else check(value, path)


def _each(check: Check) -> Check:
    """All entries of a list; the role takes no text with commas instead."""

    def check_all(value: object, path: str) -> object:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise _refused(path, value, "is no list; write it as a list")
        for item in value:
            check(item, path)
        return value

    return check_all


def _network(value: object, path: str) -> object:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise _refused(path, value, "is no network in CIDR notation; write one such as 203.0.113.0/24") from None


def _address_pool(value: object, path: str) -> object:
    network = _network(value, path)
    if not isinstance(network, ipaddress.IPv4Network) or not 8 <= network.prefixlen <= 24:  # noqa: PLR2004
        raise _refused(path, value, "holds no network of 256 IPv4 addresses; write one such as 10.201.0.0/16")
    return network


def _regular_expression(value: object, path: str) -> object:
    text = str(value)
    if not isinstance(value, str) or not text or '"' in text or not text.isprintable():
        raise _refused(path, value, "is no regular expression for nginx; write one line without double quotes")
    if not _PCRE_ONLY.search(text):
        try:
            re.compile(text)
        except re.error as error:
            raise _refused(path, value, f"is no regular expression: {error}; mend it") from None
    return value


def _reboot_time(value: object, path: str) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        # YAML takes 14:30 for a number of the base 60.
        raise _refused(path, value, f'is a number; write "{value // 60:02}:{value % 60:02}", with the quotes')
    return _text(r"([01][0-9]|2[0-3]):[0-5][0-9]|now", 'is no time of the day; write it as "04:30"', empty=True)(
        value, path
    )


def _domain(value: object, path: str) -> object:
    return check_domain(value, path)


def _email(value: object, path: str) -> object:
    return check_email(value, path)


_PORT = _number(1, 65535)
_COUNT = _number(1)
_ANY_COUNT = _number(0)
_PATH = _text(
    r"/[^\s;{}\"'\\#]*",
    "is no path of a URL; begin it with / and use no space, quote, semicolon, brace, # or backslash",
)
_DIRECTORY = _text(
    r"/[^\s,:;{}\"'\\]+", "is no directory; write the whole path, from / on, without spaces, commas, colons or quotes"
)
_HEADER = _text(r"[ !#%-\[\]-~]*", "cannot be a header; use one line of ASCII without double quotes, $ or backslash")
_PAGE_TEXT = _text(
    r"[^\x00-\x1f\x7f\"'$%\\]+", "cannot stand in the page; use one line without quotes, $, % or backslash"
)
_SUBFOLDER = _text(r"(/[A-Za-z0-9_-]+)+", "is no folder of the site; write one such as /prometheus")
_TOKEN = _text(r"[A-Za-z0-9_-]+", "is no name here; use letters, digits, hyphens and underscores")
_NGINX_SIZE = _text(r"[0-9]+[kKmMgG]?", "is no size for nginx; write a whole number with k, m or g, such as 50m")
_DOCKER_SIZE = _text(
    r"[0-9]+(\.[0-9]+)? ?([kKmMgGtTpP]?[iI]?[bB]?)|-1", "is no size; write a number with a unit, such as 10m"
)
_SYSTEMD_SIZE = _text(
    r"([0-9]+(\.[0-9]+)?[BKMGTPE]?\s*)+", "is no size for systemd; write a number with K, M, G or T, such as 1G"
)
_SWAP_SIZE = _text(r"[0-9]+(\.[0-9]+)? *([KMGTkmgt]?B|[KMGTkmgt]?)", "is no size; write it as 1GB, or 0 for none")
_TIME = _text(r"[0-9]+(us|ms|s|m|h|d)?", "is no time for HAProxy; write a whole number with ms, s, m or h, such as 10s")

_URL = _text(r"https?://[^\s\"'\\]+", "is no URL; write one that begins with https://")
_PROMETHEUS_TIME = _text(
    r"([0-9]+(ms|[smhdwy]))+", "is no time for Prometheus; write a whole number with s, m, h, d, w or y, such as 15d"
)


def _secret_url(value: object, path: str) -> object:
    """A URL that may hold a token, so that no message repeats it."""
    if value != "" and not (isinstance(value, str) and re.fullmatch(r"https?://[^\s\"'\\]+", value)):
        raise InputError(f"{path}: it is no URL; write one that begins with https://, or leave it empty")
    return value


CHECKS: Mapping[str, Check] = {
    "app_database_port": _PORT,
    "app_health_path": _PATH,
    "app_metrics_path": _unless("", _PATH),
    "app_migration_timeout_seconds": _COUNT,
    "app_migrations_path": _DIRECTORY,
    "app_port": _PORT,
    "app_writable_paths": _each(_DIRECTORY),
    "docker_address_pool": _address_pool,
    "docker_build_cache_size": _DOCKER_SIZE,
    "docker_cleanup_keep": _ANY_COUNT,
    "docker_cleanup_minimum_age_hours": _ANY_COUNT,
    "docker_log_files": _COUNT,
    "docker_log_size": _DOCKER_SIZE,
    "docker_open_files": _COUNT,
    "edge_acme_directory_url": _URL,
    "edge_acme_email": _email,
    "edge_acme_retry_after_seconds": _ANY_COUNT,
    "edge_api_paths": _each(_PATH),
    "edge_app_port": _PORT,
    "edge_app_requests_max": _COUNT,
    "edge_app_slots": _COUNT,
    "edge_body_size_max": _NGINX_SIZE,
    "edge_busy_text": _PAGE_TEXT,
    "edge_busy_title": _PAGE_TEXT,
    "edge_connections_per_client": _number(1, 65535),
    "edge_content_security_policy": _HEADER,
    "edge_domain": _domain,
    "edge_domain_aliases": _each(_domain),
    "edge_frame_options": _HEADER,
    "edge_hsts": _HEADER,
    "edge_http_port": _PORT,
    "edge_https_port": _PORT,
    "edge_pdf_cache_size_max": _NGINX_SIZE,
    "edge_pdf_paths": _each(_regular_expression),
    "edge_permissions_policy": _HEADER,
    "edge_private_paths": _each(_regular_expression),
    "edge_queue_timeout": _TIME,
    "edge_rate_limit_api_burst": _COUNT,
    "edge_rate_limit_api_per_second": _COUNT,
    "edge_rate_limit_sign_in_burst": _COUNT,
    "edge_rate_limit_sign_in_per_second": _COUNT,
    "edge_readiness_path": _PATH,
    "edge_readiness_status": _text(
        r"[1-5][0-9]{2}(-[1-5][0-9]{2})?(,[1-5][0-9]{2}(-[1-5][0-9]{2})?)*", "is no status; write one such as 200-399"
    ),
    "edge_referrer_policy": _HEADER,
    "edge_response_timeout_seconds": _COUNT,
    "edge_shared_networks": _each(_network),
    "edge_shared_networks_factor": _COUNT,
    "edge_sign_in_paths": _each(_PATH),
    "edge_slow_start": _TIME,
    "edge_static_cache_size_max": _NGINX_SIZE,
    "edge_static_paths": _each(_PATH),
    "edge_sticky_cookie": _TOKEN,
    "edge_trusted_proxies": _each(_unless("unix:", _network)),
    "edge_trusted_proxies_header": _TOKEN,
    "edge_unavailable_text": _PAGE_TEXT,
    "edge_unavailable_title": _PAGE_TEXT,
    "edge_unbuffered_paths": _each(_PATH),
    "edge_upload_paths": _each(_PATH),
    "edge_upload_size_max": _NGINX_SIZE,
    "edge_websocket_idle_timeout": _TIME,
    "edge_worker_connections": _COUNT,
    "edge_worker_processes": _unless("auto", _COUNT),
    "host_journal_size": _SYSTEMD_SIZE,
    "host_swap_size": _SWAP_SIZE,
    "host_upgrade_reboot_time": _reboot_time,
    "monitoring_alert_email": _unless("", _email),
    "monitoring_alert_webhook_url": _secret_url,
    "monitoring_alertmanager_path": _SUBFOLDER,
    "monitoring_heartbeat_interval": _PROMETHEUS_TIME,
    "monitoring_heartbeat_url": _secret_url,
    "monitoring_probe_path": _PATH,
    "monitoring_probe_urls_extra": _each(_URL),
    "monitoring_prometheus_path": _SUBFOLDER,
    "monitoring_retention_size": _text(r"[0-9]+([KMGTPE]?B)", "is no size for Prometheus; write one such as 4GB"),
    "monitoring_retention_time": _PROMETHEUS_TIME,
    "monitoring_scrape_interval_seconds": _number(1, 120),
    "monitoring_smtp_from": _email,
    "monitoring_smtp_host": _text(
        r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?", "is no name of a mail server; write one without a port", empty=True
    ),
    "monitoring_smtp_port": _PORT,
    "monitoring_user": _TOKEN,
    "preflight_ports": _each(_PORT),
}
"""One finding at most for each."""


def _environment(values: Mapping[object, object], path: str) -> Iterator[str]:
    for name, value in values.items():
        if not isinstance(name, str) or not _ENVIRONMENT_NAME.fullmatch(name):
            yield (
                f"{path}: {shown(name)} cannot name an environment variable; "
                "use letters, digits and underscores, and no digit first"
            )
        elif _SECRET_NAME.fullmatch(name) and not _PUBLIC_NAME.fullmatch(name):
            yield f"{path}.{name}: it is a secret by its name; it belongs into app_secrets_extra, in the vault"
        elif not isinstance(value, (str, int, float)):
            yield f"{path}.{name}: {shown(value)} is no text; write one line, in quotes"
        elif isinstance(value, str) and re.search(r"[\r\n\0]", value):
            yield f"{path}.{name}: it has a line break in it; write one line"


def _kernel_settings(values: Mapping[object, object], path: str) -> Iterator[str]:
    for name, value in values.items():
        usable = isinstance(value, (str, int, float))
        if usable and not isinstance(value, bool) and not _SYSCTL_VALUE.fullmatch(str(value).strip()):
            usable = False
        if not usable:
            yield f"{path}: {shown(value)} is no value for {name}; write numbers or words on one line"
            continue
        try:
            sysctls.parse({str(name): value})
        except InputError as error:
            yield f"{path}: {error}"


def _engine_options(values: Mapping[object, object], path: str) -> Iterator[str]:
    """An engine checks its file itself, and a newer one knows more: only what is misspelt."""
    for name in values:
        meant = near(str(name), ENGINE_OPTIONS)
        if name not in ENGINE_OPTIONS and meant:
            yield f"{path}: the Docker engine has no option {shown(name)}; did you mean {meant}?"


def _dictionary(
    check: Callable[[Mapping[object, object], str], Iterator[str]],
) -> Callable[[object, str], Iterator[str]]:
    def check_all(value: object, path: str) -> Iterator[str]:
        if isinstance(value, Mapping):
            yield from check(value, path)
        else:
            yield f"{path}: {shown(value)} is no dictionary; write name: value"

    return check_all


DICTIONARIES = {
    **SETTING_CHECKS,
    "app_environment_extra": _dictionary(_environment),
    "docker_settings_extra": _dictionary(_engine_options),
    "host_sysctls": _dictionary(_kernel_settings),
    "host_sysctls_extra": _dictionary(_kernel_settings),
}
"""Any number of findings for each."""


def _lines(variables: Mapping[str, object]) -> Iterator[str]:
    for name, check in CHECKS.items():
        if name in variables:
            try:
                check(variables[name], name)
            except InputError as error:
                yield str(error)
    for name, check_all in DICTIONARIES.items():
        if name in variables:
            yield from check_all(variables[name], name)
    ports = [str(variables.get(name, usual)) for name, usual in (("edge_http_port", 80), ("edge_https_port", 443))]
    if ports[0] == ports[1]:
        name = "edge_http_port" if "edge_http_port" in variables else "edge_https_port"
        yield f"{name}: HTTP and HTTPS have the same port {ports[0]}; give each its own"


def input_findings(variables: Mapping[str, object]) -> list[Finding]:
    """What cannot be right among these inputs of the roles."""
    parts = (line.partition(": ") for line in _lines(variables))
    return [Finding(name, problem, "") for name, _colon, problem in parts]
