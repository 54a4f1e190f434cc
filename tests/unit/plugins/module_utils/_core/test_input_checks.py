# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.input_checks import input_findings

GOOD: list[tuple[str, Any]] = [
    ("app_port", "8080"),
    ("app_health_path", "/api/health?deep=0"),
    ("app_writable_paths", ["/app/.next/cache", "/data"]),
    ("app_environment_extra", {"LOG_LEVEL": "info", "_x": 1, "DEBUG": True, "RATE": 0.5, "EMPTY": ""}),
    ("app_environment_extra", {"NEXT_PUBLIC_STRIPE_KEY": "pk_live", "VAPID_PUBLIC_KEY": "B", "KEYBOARD": "de"}),
    ("docker_address_pool", "10.201.0.0/16"),
    ("docker_log_size", "10m"),
    ("docker_log_size", "1.5GiB"),
    ("docker_settings_extra", {"registry-mirrors": [], "mtu": 1400, "an-option-of-tomorrow": 1}),
    ("edge_acme_directory_url", "https://localhost:14000/dir"),
    ("edge_api_paths", []),
    ("edge_body_size_max", 1048576),
    ("edge_content_security_policy", "default-src 'self'; img-src *"),
    ("edge_domain", "school.example.org"),
    ("edge_domain_aliases", ["www.school.example.org"]),
    ("edge_frame_options", ""),
    ("edge_http_port", 8080),
    ("edge_private_paths", [r"^/api/books/[0-9]{2}\.pdf$", "^/(?<name>x)", "^/[[:alpha:]]", r"^/\h++"]),
    ("edge_queue_timeout", "500ms"),
    ("edge_readiness_status", "200,204,300-399"),
    ("edge_shared_networks", ["203.0.113.7", "2001:db8::/32", "10.0.0.1/8"]),
    ("edge_trusted_proxies", ["unix:", "10.0.0.0/8"]),
    ("edge_trusted_proxies_header", "proxy_protocol"),
    ("edge_unavailable_text", "Zurück in zwei Minuten, bitte warten."),
    ("edge_worker_processes", 4),
    ("host_journal_size", "1G"),
    ("host_swap_size", 0),
    ("host_swap_size", "512MB"),
    ("host_sysctls_extra", {"net.ipv4.ip_local_port_range": "10000 65000", "kernel.core_pattern": "|/bin/false"}),
    ("host_upgrade_reboot_time", "04:30"),
    ("host_upgrade_reboot_time", ""),
    ("monitoring_alert_email", ""),
    ("monitoring_alert_webhook_url", "https://chat.example.org/hooks/T0/B0"),
    ("monitoring_heartbeat_url", ""),
    ("monitoring_probe_urls_extra", ["https://www.example.org/books?x=1"]),
    ("monitoring_prometheus_path", "/watch/prometheus"),
    ("monitoring_retention_time", "2w"),
    ("monitoring_smtp_host", ""),
    ("monitoring_smtp_host", "mail.example.org"),
    ("preflight_ports", [80, 443]),
]
BAD: list[tuple[str, Any, str]] = [
    ("app_port", 0, "0 is no whole number between 1 and 65535"),
    ("app_port", "http", "'http' is no whole number"),
    ("app_health_path", "api/health", "is no path of a URL; begin it with /"),
    ("app_health_path", "/a'b", "is no path of a URL"),
    ("app_writable_paths", ["cache"], "'cache' is no directory; write the whole path"),
    ("app_writable_paths", "/app/cache", "is no list; write it as a list"),
    ("app_environment_extra", {"LOG-LEVEL": "info"}, "'LOG-LEVEL' cannot name an environment variable"),
    ("app_environment_extra", {"1X": "info"}, "cannot name an environment variable"),
    ("app_environment_extra", {"X": {"a": 1}}, "{'a': 1} is no text; write one line"),
    ("app_environment_extra", {"X": None}, "None is no text"),
    ("app_environment_extra", {"X": "a\nb"}, "it has a line break in it"),
    ("app_environment_extra", "X=1", "is no dictionary; write name: value"),
    ("app_environment_extra", {"SMTP_PASSWORD": "hush"}, "it belongs into app_secrets_extra"),
    ("app_environment_extra", {"stripe_key": "hush"}, "it belongs into app_secrets_extra"),
    ("app_environment_extra", {"API_TOKEN": "hush"}, "it belongs into app_secrets_extra"),
    ("app_environment_extra", {"AUTH_SECRET": "hush"}, "it belongs into app_secrets_extra"),
    ("app_environment_extra", {"DATABASE_URL": "hush"}, "it belongs into app_secrets_extra"),
    ("docker_address_pool", "10.201.0.0/25", "holds no network of 256 IPv4 addresses"),
    ("docker_address_pool", "fd00::/16", "holds no network of 256 IPv4 addresses"),
    ("docker_address_pool", "10.201", "is no network in CIDR notation"),
    ("docker_log_size", "ten", "'ten' is no size; write a number with a unit"),
    ("docker_log_size", True, "True is no size"),
    ("docker_settings_extra", {"registry-miror": []}, "did you mean registry-mirrors?"),
    ("edge_acme_directory_url", "acme.example.org", "is no URL"),
    ("edge_acme_email", "nobody", "is no e-mail address"),
    ("edge_body_size_max", "50MB", "is no size for nginx"),
    ("edge_domain", "192.0.2.7", "'192.0.2.7' is an address; certificates and cookies need a name, such as"),
    ("edge_domain", "2001:db8::1", "is an address; certificates and cookies need a name"),
    ("edge_domain_aliases", ["WWW.example.org"], "has capital letters; write www.example.org"),
    ("edge_domain_aliases", ["https://www.example.org"], "leave out the scheme"),
    ("edge_frame_options", 'DENY" always; #', "cannot be a header"),
    ("edge_hsts", "max-age=1\nX: y", "cannot be a header"),
    ("edge_permissions_policy", "camera=$x", "cannot be a header"),
    ("edge_http_port", 443, "HTTP and HTTPS have the same port 443"),
    ("edge_https_port", "80", "HTTP and HTTPS have the same port 80"),
    ("edge_pdf_paths", ["^/(a$"], "is no regular expression: missing )"),
    ("edge_private_paths", ['^/a"b'], "write one line without double quotes"),
    ("edge_queue_timeout", "ten", "is no time for HAProxy"),
    ("edge_rate_limit_api_per_second", 0, "is no whole number between 1"),
    ("edge_rate_limit_sign_in_burst", -1, "is no whole number between 1"),
    ("edge_connections_per_client", 70000, "is no whole number between 1 and 65535"),
    ("edge_readiness_status", "ok", "is no status; write one such as 200-399"),
    ("edge_shared_networks", ["10.0.0.0/33"], "is no network in CIDR notation"),
    ("edge_shared_networks", "10.0.0.0/8", "is no list"),
    ("edge_sticky_cookie", "a b", "is no name here"),
    ("edge_trusted_proxies", ["cdn"], "is no network in CIDR notation"),
    ("edge_unavailable_text", "It's down", "cannot stand in the page"),
    ("edge_upload_paths", ["/a; }"], "is no path of a URL"),
    ("edge_upload_paths", ["/a\nb"], "is no path of a URL"),
    ("edge_worker_processes", "all", "is no whole number"),
    ("app_metrics_path", "metrics", "is no path of a URL"),
    ("monitoring_alert_email", "nobody", "is no e-mail address"),
    ("monitoring_probe_urls_extra", ["www.example.org"], "is no URL"),
    ("monitoring_prometheus_path", "/", "is no folder of the site; write one such as /prometheus"),
    ("monitoring_alertmanager_path", "/a/", "is no folder of the site"),
    ("monitoring_retention_size", "4G", "is no size for Prometheus; write one such as 4GB"),
    ("monitoring_retention_time", "15 days", "is no time for Prometheus"),
    ("monitoring_scrape_interval_seconds", 0, "is no whole number between 1 and 120"),
    ("monitoring_smtp_host", "mail.example.org:", "is no name of a mail server"),
    ("monitoring_user", "a:b", "is no name here"),
    ("host_journal_size", "1GB", "is no size for systemd; write a number with K, M, G or T, such as 1G"),
    ("host_swap_size", "lots", "is no size; write it as 1GB"),
    ("host_sysctls_extra", {"somaxconn": 1}, "is no kernel setting; write it like net.core.somaxconn"),
    ("host_sysctls_extra", {"net.core.somaxconn": None}, "None is no value for net.core.somaxconn"),
    ("host_sysctls_extra", {"net.core.somaxconn": "1\nx = 2"}, "write numbers or words on one line"),
    ("host_upgrade_reboot_time", "4 am", "is no time of the day"),
    ("host_upgrade_reboot_time", "24:00", "is no time of the day"),
    ("host_upgrade_reboot_time", 870, 'is a number; write "14:30", with the quotes'),
    ("preflight_ports", [0], "is no whole number between 1 and 65535"),
    ("redis_settings_extra", {"maxmemroy": "5mb"}, "Redis has no setting 'maxmemroy'; did you mean maxmemory?"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_can_be_right_passes(name: str, value: object) -> None:
    assert input_findings({name: value}) == []


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_what_cannot_be_right_is_named(name: str, value: object, words: str) -> None:
    (finding,) = input_findings({name: value})
    assert finding.name.startswith(name)
    assert words in finding.problem
    assert "hush" not in str(finding), "it may be a secret"


def test_every_wrong_variable_is_told() -> None:
    wrong = {
        "app_port": 0,
        "edge_hsts": "\n",
        "redis_settings_extra": {"a1": 1, "b2": 2},
        "edge_domain": "school.example",
    }
    assert [finding.name for finding in input_findings(wrong)] == [
        "app_port",
        "edge_hsts",
        "redis_settings_extra",
        "redis_settings_extra",
    ]


def test_both_ports_may_move() -> None:
    assert input_findings({"edge_http_port": 443, "edge_https_port": 8443}) == []


def test_a_url_with_a_token_is_refused_without_being_told() -> None:
    (finding,) = input_findings({"monitoring_alert_webhook_url": "chat.example.org/hooks/oophoh4Aeth8eeH"})
    assert "oophoh4Aeth8eeH" not in str(finding)
    assert "it is no URL; write one that begins with https://" in str(finding)
