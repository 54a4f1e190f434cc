# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work is refused before a bare host is touched, with the place and the way out.

A run takes seconds and tells all its findings at once, so bad inputs share runs:
``RUNS`` says what is wrong in each, ``FINDINGS`` what it must then say.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration.harness import ROOT
from integration.site_host import NAME, Outcome, SiteHost, hosts, running

pytestmark = [pytest.mark.engine, pytest.mark.slow]

WEAK = {
    "database_owner_password": "stories_password_123",
    "database_app_password": "Ue8aifooy9Eu",
    "redis_app_password": "iequ5Ohng4aebaiMo7ooGhai0ohVah8f",
    "demo_password": "iequ5Ohng4aebaiMo7ooGhai0ohVah8f",
}
FAULTS = """
mkdir -p /opt/firstbell/data/postgres/base
useradd --uid 1001 --home-dir / --no-create-home alice
sed -i.kept 's/^VERSION_ID=.*/VERSION_ID="11"/' /usr/lib/os-release
systemd-run --quiet --unit=other-web python3 -m http.server 443
until grep -q ':01BB ' /proc/net/tcp; do sleep 0.1; done
"""
MENDED = """
systemctl stop other-web
mv /usr/lib/os-release.kept /usr/lib/os-release
userdel alice
rm -r /opt/firstbell
"""


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteHost]:
    with running(tmp_path_factory.mktemp("refusals")) as host:
        yield host


def bad_variables(host: SiteHost) -> Outcome:
    variables = {
        "firstbell_domian": "school.example",
        "firstbell_domain": "*.school.example",
        "firstbell_admin_email": "nobody",
        "firstbell_profile": ["small"],
        "firstbell_app_replicas": "many",
        "firstbell_host_memory": "4",
        "firstbell_timezone": "Europe/Berln",
        "firstbell_certificate": "file",
        "firstbell_app_image": "registry.example/app:1.0.0",
        "firstbell_app_source": "/nowhere/app",
        "firstbell_ca_bundle": "/nowhere/ca.pem",
        "firstbell_secrets": WEAK,
        "app_secrets_extra": {"SMTP_PASSWORD": "changeme", "API_KEY": WEAK["redis_app_password"], "TOKEN": ""},
        "postgres_database": "postgres",
        "redis_setings_extra": {},
        "fistbell_app_replicas": 2,
        "preflight_minimum_free": "lots",
        "postgres_settings_extra": {"work_mem": "64mb"},
        "redis_settings_extra": {"maxmemroy": "5mb"},
        "app_environment_extra": {"STRIPE_SECRET": "hush"},
        "autoscaler_bands": [{"name": "school", "from": "8 o'clock", "minimum": 1, "maximum": 3}],
        "edge_https_port": 70000,
        "edge_domain_aliases": ["192.0.2.7"],
    }
    return host.run("-vvv", variables=variables)


def bad_host(host: SiteHost) -> Outcome:
    twice = host.directory / "twice.yml"
    twice.write_text(hosts([NAME, "refusals1-again"]), encoding="utf-8")
    host.shell(FAULTS)
    try:
        return host.run("-i", str(twice))
    finally:
        host.shell(MENDED)


def missing_variables(host: SiteHost) -> Outcome:
    path = host.directory / "bare" / "hosts.yml"
    path.parent.mkdir()
    path.write_text(hosts([NAME]), encoding="utf-8")
    return host.run(inventory=path, variables={"firstbell_app_source": str(ROOT / "docs")})


def source(host: SiteHost, name: str, *files: str) -> str:
    """A folder with these files of the example app."""
    folder = host.directory / name
    folder.mkdir()
    for file in files:
        shutil.copy(ROOT / "examples" / "attendance_app" / file, folder / file)
    return str(folder)


def impossible_memory(host: SiteHost) -> Outcome:
    overrides = {"postgres": {"settings": {"work_mem": "64MB"}}}
    folder = source(host, "no_lock_file", "package.json")
    return host.run(variables={"firstbell_plan_overrides": overrides, "firstbell_app_source": folder})


def impossible_replicas(host: SiteHost) -> Outcome:
    folder = Path(source(host, "not_next", "package-lock.json"))
    (folder / "package.json").write_text('{"dependencies": {"express": "5.0.0"}}', encoding="utf-8")
    variables = {"firstbell_profile": "stories", "firstbell_app_replicas": 3, "firstbell_app_source": str(folder)}
    return host.run(variables=variables)


def too_large(host: SiteHost) -> Outcome:
    variables = {"firstbell_profile": "large", "firstbell_app_source": "", "firstbell_app_image": "app:latest"}
    return host.run(variables=variables)


def no_group(host: SiteHost) -> Outcome:
    path = host.directory / "misspelt.yml"
    path.write_text(hosts([NAME], group="fristbell"), encoding="utf-8")
    return host.run(inventory=path)


def wrong_vault_password(host: SiteHost) -> Outcome:
    path = host.directory / "wrong_password"
    path.write_text("not the password\n", encoding="ascii")
    return host.run(environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(path)})


def certificate(folder: Path, domain: str, days: int) -> None:
    """Write tls.crt for a domain, which ends after so many days, and another key's tls.key."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "tls.key").write_bytes(other.private_bytes(pem, form, serialization.NoEncryption()))


def certificate_missing(host: SiteHost) -> Outcome:
    return host.run(variables={"firstbell_certificate": "files", "edge_certificate_file": "/nowhere/tls.crt"})


def certificate_no_pem(host: SiteHost) -> Outcome:
    files = {"edge_certificate_file": str(ROOT / "README.md"), "edge_certificate_key_file": str(ROOT / "LICENSE")}
    return host.run(variables={"firstbell_certificate": "files", **files})


def certificate_wrong(host: SiteHost) -> Outcome:
    certificate(host.directory, "other.example", -1)
    files = {"edge_certificate_file": "tls.crt", "edge_certificate_key_file": "tls.key"}
    variables = {name: str(host.directory / file) for name, file in files.items()}
    return host.run(variables={"firstbell_certificate": "files", **variables})


def migration_without_command(host: SiteHost) -> Outcome:
    return host.run(variables={"app_migrations": "job"})


RUNS: dict[str, Callable[[SiteHost], Outcome]] = {
    run.__name__: run
    for run in (
        bad_variables,
        bad_host,
        missing_variables,
        impossible_memory,
        impossible_replicas,
        too_large,
        no_group,
        wrong_vault_password,
        certificate_missing,
        certificate_no_pem,
        certificate_wrong,
        migration_without_command,
    )
}
FINDINGS = [
    ("migration_without_command", "app_migrations is job, and app_migration_command is empty"),
    ("bad_variables", 'autoscaler_bands.school.from: "8 o\'clock" is no time of day; write it in quotes, like "08:00"'),
    ("bad_variables", "firstbell_domian: no role knows this variable. Did you mean firstbell_domain?"),
    ("bad_variables", "redis_setings_extra: no role knows this variable. Did you mean redis_settings_extra?"),
    ("bad_variables", "firstbell_domain: '*.school.example' is a wildcard; write the one name that users type"),
    ("bad_variables", "firstbell_admin_email: 'nobody' is no e-mail address; write one such as"),
    ("bad_variables", "firstbell_profile: ['small'] is none of its choices. Take one of auto, small, medium"),
    ("bad_variables", "firstbell_app_replicas: 'many' has the wrong type. Write a whole number."),
    ("bad_variables", "firstbell_host_memory: '4' is no size; write a number with a unit, such as"),
    ("bad_variables", "firstbell_timezone: 'Europe/Berln' is no time zone. Did you mean Europe/Berlin?"),
    ("bad_variables", "firstbell_certificate: 'file' is none of its choices. Did you mean files?"),
    ("bad_variables", "firstbell_app_image: both an image and a source are given. Set either"),
    ("bad_variables", "firstbell_app_source: there is no folder /nowhere/app on the controller. Give the folder"),
    ("bad_variables", "firstbell_ca_bundle: there is no file /nowhere/ca.pem on the controller. Give a PEM file"),
    (
        "bad_variables",
        "firstbell_secrets.database_owner_password: is a default or a placeholder that everybody knows. Make one with:",
    ),
    ("bad_variables", "firstbell_secrets.database_app_password: is shorter than 20 characters. Make one with:"),
    ("bad_variables", "firstbell_secrets.demo_password: is the same as redis_app_password. Make one with:"),
    ("bad_variables", "firstbell_secrets.nextauth_secret: is missing. Generate what is missing with:"),
    ("bad_variables", "fistbell_app_replicas: no role knows this variable. Did you mean firstbell_app_replicas?"),
    ("bad_variables", "preflight_minimum_free: 'lots' is no size; write a number with a unit, such as"),
    ("bad_variables", "postgres_settings_extra.work_mem: '64mb' is no size for PostgreSQL; write 64MB"),
    ("bad_variables", "redis_settings_extra: Redis has no setting 'maxmemroy'; did you mean maxmemory?"),
    ("bad_variables", "app_environment_extra.STRIPE_SECRET: it is a secret by its name; it belongs into app_secrets_"),
    ("bad_variables", "edge_https_port: 70000 is no whole number between 1 and 65535"),
    ("bad_variables", "edge_domain_aliases: '192.0.2.7' is an address; certificates and cookies need a name"),
    ("bad_variables", "app_secrets_extra.SMTP_PASSWORD: is a default or a placeholder that everybody knows."),
    ("bad_variables", "app_secrets_extra.API_KEY: is the same as redis_app_password. Take one of its own."),
    ("bad_variables", "app_secrets_extra.TOKEN: is empty. Give it as text, or leave it out."),
    ("bad_variables", "postgres_database: 'postgres' is reserved by PostgreSQL or PgBouncer; take another name"),
    ("bad_host", "operating system: this is debian 11. The collection is tested on Debian 12 and 13"),
    ("bad_host", "port 443: python3 has it. Stop and disable python3, or use another host"),
    ("bad_host", "/opt/firstbell/data/postgres: it holds files that are not this stack's: base. Move it away"),
    ("bad_host", "user id 1001: it belongs to alice. Every container runs as 1001; give alice another id"),
    ("bad_host", "ansible_host: refusals1 and refusals1-again are the same host, 10.203.0.191"),
    ("missing_variables", "firstbell_domain: it is missing. Set it in the inventory's group_vars."),
    ("missing_variables", "firstbell_admin_email: it is missing. Set it in the inventory's group_vars."),
    ("missing_variables", "firstbell_secrets: it is missing. Write them once with playbooks/init.yml"),
    ("missing_variables", "docs has no package.json. Give the folder of the Next.js application itself."),
    ("impossible_memory", "the plan: The plan small does not hold on this host"),
    ("impossible_memory", "queries: 18 backends x 64MB work_mem x 4 4608MB"),
    ("impossible_memory", "nearest plan that would hold: firstbell_plan_overrides.postgres.settings.work_mem: 4MB"),
    ("impossible_memory", "no_lock_file has no lock file"),
    ("impossible_replicas", "the plan: The plan stories does not hold on this host"),
    ("impossible_replicas", "nearest plan that would hold: firstbell_app_replicas: 1"),
    ("impossible_replicas", 'package.json has no dependency "next"'),
    ("too_large", "The profile large is meant for 8 CPUs and 16GB; this host has 2 and 4GB."),
    ("too_large", "nearest plan that would hold: firstbell_profile: small"),
    ("too_large", "firstbell_app_image: 'app:latest' does not say which version. Add a tag other than latest"),
    ("no_group", "The inventory has no host in the group firstbell. Name one under firstbell.hosts"),
    ("wrong_vault_password", "Decryption failed"),
    ("certificate_missing", "firstbell_certificate is files: edge_certificate_file (/nowhere/tls.crt)"),
    ("certificate_no_pem", "README.md) and edge_certificate_key_file ("),
    ("certificate_no_pem", "must be PEM files on this controller, with a certificate and its unencrypted key."),
    ("certificate_wrong", "It does not belong to the key in"),
    ("certificate_wrong", "It expired on"),
    ("certificate_wrong", "It does not cover firstbell.test, only other.example"),
]


@pytest.fixture(scope="session")
def refused(host: SiteHost) -> Callable[[str], Outcome]:
    """Each run is made once, when the first test asks for it."""
    outcomes: dict[str, Outcome] = {}

    def outcome(name: str) -> Outcome:
        if name not in outcomes:
            outcomes[name] = RUNS[name](host)
        return outcomes[name]

    return outcome


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_touched(refused: Callable[[str], Outcome], name: str) -> None:
    outcome = refused(name)
    assert outcome.code not in (0, 250), outcome.output
    assert "changed=1" not in outcome.output
    assert outcome.touched == ""


@pytest.mark.parametrize(("name", "words"), FINDINGS)
def test_what_is_wrong_is_told_with_the_way_out(refused: Callable[[str], Outcome], name: str, words: str) -> None:
    output = refused(name).output
    assert words in output, output[-6000:]


def test_every_finding_is_told_once(refused: Callable[[str], Outcome]) -> None:
    told = refused("bad_variables").output.split("is left as it is, because: - ")[1]
    names = re.findall(r"(?:^| - )((?:firstbell|app|edge|postgres|redis)_[\w.]+): ", told)
    assert len(names) == len(set(names))


def test_no_refused_secret_is_shown(refused: Callable[[str], Outcome]) -> None:
    shown = refused("bad_variables").output
    assert not [name for name, value in WEAK.items() if value in shown]


def test_a_dry_run_on_a_bare_host_ends_changes_nothing_and_shows_no_secret(host: SiteHost) -> None:
    outcome = host.run("--check", "--diff", "-vvv")
    assert outcome.code == 0, outcome.output[-6000:]
    assert outcome.touched == ""
    assert not [name for name, value in host.secrets.items() if value in outcome.output]
    assert "serves https://firstbell.test" in outcome.output


@contextlib.contextmanager
def working(host: SiteHost) -> Iterator[subprocess.Popen[str]]:
    """A run that has the lock and is at work."""
    with subprocess.Popen(
        host.command(), cwd=ROOT, env=host.environment, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            limit = time.monotonic() + 60
            while not host.shell("ls /var/lib/firstbell/lock 2>/dev/null || true"):
                assert process.poll() is None, "the run has ended"
                assert time.monotonic() < limit, "the run has not taken the lock"
                time.sleep(0.2)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_one_run_at_a_time_and_the_lock_of_a_dead_one_is_taken_over(host: SiteHost) -> None:
    """The last test: from here on the host is no longer bare."""
    with working(host) as first:
        second = host.run("--tags", "none")
        assert second.code != 0
        assert "another run is at work on this host" in second.output
        assert f"pid {first.pid}, site.yml" in second.output
        assert f"end it with: kill {first.pid}" in second.output
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    third = host.run("--tags", "none")
    assert third.code == 0, third.output
    assert "/var/lib/firstbell" in third.touched, "what is touched is not seen"
    assert "its process has ended without giving the lock back" in third.output
    assert host.shell("ls /var/lib/firstbell/lock").split() in ([], ["run.json.lock"])
