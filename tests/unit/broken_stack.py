# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be broken of the healthy stack: the check that must find it, how it is broken, and what is to be said."""

from __future__ import annotations

import json
from typing import Any, Callable

from unit.healthy_stack import BACKUP, DAY, GATE, LISTING, NOW, RULES_FILE, release, sshd

_KEYBOARD = {"kbdinteractiveauthentication": "yes"}
_DAILY = ['APT::Periodic::Update-Package-Lists "1";', 'APT::Periodic::Unattended-Upgrade "1";']
ORDERED = "REINDEX DATABASE school; ALTER DATABASE school REFRESH COLLATION VERSION"
SESSION = {"pid": 7, "role": "postgres", "application": "psql"}
OWNER = "ALTER TABLE public.students OWNER TO school_owner"
NGINX = "/opt/school/nginx/conf/nginx.conf"

Break = Callable[[dict[str, Any], dict[str, Any]], object]


def _container(**values: Any) -> Break:
    return lambda seen, _expected: seen["engine"]["containers"][3].update(values)


def _service(name: str, **values: Any) -> Break:
    return lambda seen, _expected: seen["engine"]["services"][name].update(values)


def _node(number: int, **values: str) -> Break:
    return lambda seen, _expected: seen["engine"]["nodes"][number].update(values)


def _further(replicas: int, running: int) -> Break:
    def add(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        services = seen["engine"]["services"]
        values = {**services["redis"]["values"], "replicas": replicas}
        services["exporter"] = {**services["redis"], "values": values, "running": running}

    return add


def _values(name: str, **values: Any) -> Break:
    return lambda seen, _expected: seen["engine"]["services"][name]["values"].update(values)


def _seen(*path: Any, **values: Any) -> Break:
    def change(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        for key in path:
            seen = seen[key]
        seen.update({key.replace("__", "-"): value for key, value in values.items()})

    return change


def _expect(role: str, **values: Any) -> Break:
    return lambda _seen, expected: expected[role].update(values)


def _both(*breaks: Break) -> Break:
    return lambda seen, expected: [one(seen, expected) for one in breaks]


def _entry(**options: list[str]) -> Break:
    """What sshd would do with whom Ansible signs in as, and where the files say so."""

    def change(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        entry = seen["logins"]["entry"]
        entry["options"].update(options)
        entry["lines"] = {
            "PermitRootLogin": {"/etc/ssh/sshd_config:9": "yes", "/etc/ssh/sshd_config.d/x.conf:3": "no"},
            "PubkeyAuthentication": {"/etc/ssh/sshd_config.d/x.conf:7": '"no"'},
        }

    return change


def _finding(name: str) -> Break:
    finding = {"name": name, "problem": "it is 1, and 2 is wanted", "kind": "differs"}
    return lambda seen, _expected: seen["settings"]["findings"].append(finding)


def _in_force(name: str) -> Break:
    reload = {"kind": "not_reloaded", "fix": "SELECT pg_reload_conf()"}
    finding = {"name": name, "problem": "it is on, which no file says any more", **reload}
    return lambda seen, _expected: seen["settings"]["findings"].append(finding)


def _gone(*path: Any) -> Break:
    def remove(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        for key in path[:-1]:
            seen = seen[key]
        del seen[path[-1]]

    return remove


def _role(of: str, **values: Any) -> Break:
    def change(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        next(one for one in seen["database"]["roles"] if one["name"] == of).update(values)

    return change


def _backup(text: str) -> Break:
    return _seen("files", **{"/opt/school/backup/backup.json": text})


def _lost(table: str, count: int) -> Break:
    return _seen("database", lost=[{"first": table, "count": count}])


def _given(grantee: str) -> Break:
    one = {"grantee": grantee, "privileges": "INSERT, SELECT", "count": 2, "first": "TABLE students", "grantable": True}
    return _seen("database", given=[{**one, "fix": f"REVOKE INSERT, SELECT ON TABLE students, a FROM {grantee}"}])


def _barred(role: str) -> Break:
    fix = f"GRANT USAGE ON SCHEMA public TO {role}"
    return _seen("database", barred=[{"role": role, "deed": "use the schema public", "fix": fix}])


def _table(problem: str, fix: str, kind: str = "weak_tables") -> Break:
    return _seen("database", **{kind: [{"name": "public.students", "problem": problem, "fix": fix}]})


def _migration(log: str) -> Break:
    one = {"name": "20260301_seats", "started_at": "2026-11-29 02:00:00+00", "log": log}
    return _seen("database", "migrations", failed=[one])


def _held(at_work: bool, *begun: str) -> Break:
    one = {"pid": 7, "role": "school_owner", "application": "psql", "since": "2026-11-29 02:00:00+00"}
    return _seen("database", "migrations", holders=[{**one, "at_work": at_work}], begun=list(begun))


def _stranger(where: str = "containers", **values: Any) -> Break:
    def add(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        one = seen["engine"]["containers"][0]
        seen["engine"][where].append({**one, "name": "stranger", "service": "", "service_name": "", **values})

    return add


def _silence(since: str = "") -> Break:
    one = {"id": "1-2", "by": "eve", "since": since, "until": "2026-12-01 00:00", "covers": 'a=~".+"'}
    return _seen("monitoring", silences=[one])


def _alert(severity: str) -> Break:
    alert = {"name": "CacheDown", "severity": severity, "about": "instance redis"}
    return lambda seen, _expected: seen["monitoring"]["firing"].append(alert)


def _rule(**values: Any) -> Break:
    rule = {"line": 9, "type": "hostssl", "database": "all", "role": "all", "address": "all", "method": "scram-sha-256"}
    return lambda seen, _expected: seen["database"]["hba"].append({**rule, "error": "", **values})


def no_edge(_seen: dict[str, Any], expected: dict[str, Any]) -> None:
    expected["edge"]["enabled"] = False


def _last(kind: str, **values: Any) -> Break:
    return lambda seen, _expected: seen["records"]["kept"][kind][-1].update(values)


def _member(granted: str, member: str) -> Break:
    one = {"granted": granted, "member": member}
    return lambda seen, _expected: seen["database"]["memberships"].append(one)


def _key(**values: str) -> Break:
    return lambda seen, _expected: seen["logins"]["keys"].append({"key": "SHA256:two", "comment": "evil", **values})


def _override(database: str, role: str, setting: str) -> Break:
    one = {"database": database, "role": role, "settings": [setting]}
    return lambda seen, _expected: seen["database"]["overrides"].append(one)


def _slot(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
    seen["database"]["slots"].append({"name": "forgotten", "active": False, "bytes": 2 << 30})


def _drop_in(kind: str) -> Break:
    unit = f"school-backup-incr.{kind}"
    return _seen("units", unit, DropInPaths=f"/etc/systemd/system/{unit}.d/x.conf")


def _unit_off(name: str) -> Break:
    return _seen("units", **{name: {"LoadState": "loaded", "UnitFileState": "disabled"}})


def _rules(text: str) -> Break:
    return lambda seen, _expected: seen["firewall"].update(ruleset=seen["firewall"]["ruleset"] + text)


def _rehearsed_since(time: float) -> Break:
    return lambda _seen, expected: expected.update(rehearsed_since=time)


def _ended(times: int, at: str) -> Break:
    return _service("app", failed=[{"error": "exit 1", "at": at, "slot": 1}] * times)


def crashed(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
    """Three times, half an hour ago."""
    _ended(3, "2026-11-23T01:43:20.1Z")(seen, _expected)


DRILLS = {
    "failover-drill": "failover_drill",
    "alert-drill": "alert_drill",
    "load-test": "load_test",
    "capacity": "capacity",
    "rollout-drill": "rollout_drill",
    "maintenance-daily": "maintenance_daily",
    "maintenance-weekly": "maintenance_weekly",
    "maintenance-monthly": "maintenance_monthly",
}
NO_BACKUP = _expect("backup", enabled=False)

BROKEN: list[tuple[str, Break, str]] = [
    ("services-healthy", _gone("engine", "services", "redis"), "there is no service redis"),
    ("services-healthy", _service("app", running=0), "app runs 0 of 1"),
    ("services-healthy", _further(0, 0), "exporter is scaled to no task at all"),
    ("services-healthy", _further(1, 0), "exporter runs 0 of 1 tasks"),
    ("services-healthy", _further(2, 1), "exporter is scaled to 2 tasks"),
    ("services-healthy", _values("app", replicas=0), "app is scaled to no task at all"),
    ("services-healthy", _service("nginx", update="paused"), "the update of nginx is paused"),
    ("services-healthy", _container(health="unhealthy"), "is unhealthy"),
    ("services-healthy", _container(health="none"), "without a health check"),
    ("services-healthy", _container(paused=True), "is paused: docker unpause school_"),
    (
        "services-healthy",
        _both(_values("redis", replicas=2), _service("redis", running=2)),
        "redis is scaled to 2 tasks",
    ),
    ("services-healthy", _further(2, 2), "exporter is scaled to 2 tasks"),
    ("services-healthy", _node(0, availability="pause"), "node update --availability active bell1"),
    (
        "services-healthy",
        _both(_node(0, name="other"), _seen("engine", "here", name="other")),
        "may only run on the host bell1, and no host of the swarm is called so any more (this one: other): hostnamectl",
    ),
    (
        "services-healthy",
        _both(_seen("engine", "here", name="other"), _expect("swarm", roles={"other": "manager", "bell2": "worker"})),
        "is called so any more (this one: other): hostnamectl set-hostname bell1",
    ),
    ("timers", _seen("host", boot_hostname="other"), "would start as other, and the services are bound to bell1: host"),
    ("services-healthy", _node(1, state="down"), "the host bell2 is down for the swarm: systemctl start docker"),
    ("services-healthy", _both(_node(1, state="down"), _expect("swarm", roles={})), "the host bell2 is down"),
    ("services-healthy", _node(1, name="evil"), "the host bell2 is not in the swarm: make site"),
    ("services-healthy", _node(1, name="evil"), "the host evil is in the swarm and not in the inventory"),
    (
        "services-healthy",
        _node(1, role="manager"),
        "not a worker: docker node demote n2",
    ),
    (
        "services-healthy",
        _node(1, name="bell1", state="down"),
        "old entry, which is down: docker node demote n2; docker node rm --force n2",
    ),
    ("services-healthy", _service("redis", update="rollback_completed"), "redis was rolled back to what it was before"),
    ("services-healthy", _service("redis", update="rollback_paused"), "the update of redis is rollback_paused"),
    (
        "services-healthy",
        _seen("engine", "swarm", EncryptionConfig={"AutoLockManagers": True}),
        "docker swarm update --autolock=false",
    ),
    ("balancer", _seen("balancer", 0, administration=1), "app/replica-1 was taken out by hand (maint)"),
    ("balancer", _seen("balancer", 1, administration=33), "app/replica-2 was taken out by hand (maint)"),
    ("balancer", _seen("balancer", 0, check=2), "app/replica-1 is not looked at any more, dead or alive"),
    ("balancer", _seen("doors", 0, rates={"SessRateLimit": 5}), "all doors take 5 a second at most (SessRateLimit)"),
    ("balancer", _seen("balancer", 0, administration=8), "app/replica-1 was drained by hand"),
    (
        "balancer",
        _seen("balancer", 0, address="192.0.2.9"),
        "has the address 192.0.2.9, which is no replica's",
    ),
    ("balancer", _seen("balancer", 0, leads="evil:3000"), "app/replica-1 leads to evil:3000, not app:3000"),
    ("balancer", _seen("balancer", 2, leads="app-any:81"), "app/any leads to app-any:81, not app-any:3000"),
    ("balancer", _seen("balancer", 0, weight=0), "app/replica-1 has weight 0, not 1"),
    ("balancer", _seen("doors", 0, "doors", site="STOP"), "site takes no requests (STOP)"),
    ("balancer", _seen("doors", 0, refused=["/api"]), "every request to /api is refused by hand"),
    ("balancer", _seen("doors", 0, "most", site=1), "site takes 1 connections at once, not 4096"),
    ("balancer", _seen("doors", 0, "most_of_servers", **{"app/replica-1": 2}), "replica-1 takes 2 connections at once"),
    ("replicas", _both(_values("app", replicas=2), _expect("autoscaler", enabled=False)), "2 replicas, and 1 are"),
    ("replicas", _values("app", replicas=0), "there is no replica"),
    ("replicas", _values("app", replicas=99), "more than the"),
    ("replicas", _gone("engine", "services", "app"), "no service app"),
    ("services-as-deployed", _service("redis", digest="other"), "redis was changed by hand"),
    ("services-as-deployed", _service("redis", digest="x", changed=["mounts"]), "redis was changed by hand (mounts)"),
    (
        "services-as-deployed",
        _values("redis", image="firstbell/redis:1"),
        "redis runs firstbell/redis:1, and firstbell",
    ),
    ("services-as-deployed", _seen("released", image="firstbell/app:2"), "and firstbell/app:2 is what was deployed"),
    ("services-as-deployed", _service("redis", deployed=""), "redis was not made by the collection"),
    (
        "services-as-deployed",
        _both(_further(1, 1), lambda seen, _e: seen["engine"]["services"]["exporter"].update(deployed="")),
        "exporter was not made by the collection: docker service rm school_exporter",
    ),
    ("services-as-deployed", _seen("engine", services={}), "no service"),
    ("configuration-files", _seen("files", **{"/opt/school/nginx/conf/nginx.conf": "one\nx\n"}), "differs: -two"),
    ("configuration-files", _seen(files={}), "nginx.conf is missing"),
    ("configuration-files", _seen("files", **{LISTING: "[Service]\nRestart=no\n"}), "differs: -Restart=always"),
    ("configuration-files", _gone("files", "/opt/school/backup/backup.json"), "backup.json: it is missing"),
    ("configuration-files", _backup("{}"), 'backup.json: postgres is nothing, not {"dumps_kept": 7'),
    ("configuration-files", _backup('{"stack": "school"'), "backup.json: it is no JSON any more"),
    (
        "configuration-files",
        _backup(json.dumps({**BACKUP, "postgres": {**BACKUP["postgres"], "dumps_kept": 1}})),
        "/opt/school/backup/backup.json: postgres.dumps_kept is 1, not 7",
    ),
    ("configuration-files", _backup(json.dumps({**BACKUP, "evil": True})), "backup.json: evil is true, not nothing"),
    (
        "configuration-files",
        _seen("secret_files", **{"/opt/school/redis/users.acl": "differs in line 2"}),
        "/opt/school/redis/users.acl differs in line 2",
    ),
    ("configuration-files", _seen(unread=["a was written after nginx has read it"]), "after nginx has read it"),
    ("configuration-files", _seen(left_over=["/opt/school/nginx/conf/x.conf"]), "x.conf; docker kill --signal HUP"),
    (
        "configuration-files",
        _seen(left_over=["/opt/school/monitoring/x.json"]),
        "playbook's: rm /opt/school/monitoring",
    ),
    ("engine-access", _seen("access", "sockets", 0, mode=0o666), "mode 0666: chmod 0660 /var/run/docker.sock"),
    ("engine-access", _seen("access", "sockets", 0, uid=1000), "belongs to user 1000"),
    ("engine-access", _seen("access", "sockets", 0, group="users"), "to the group users: chgrp docker /var/run"),
    ("engine-access", _seen("access", "sockets", 0, members=["teacher"]), "teacher may"),
    ("limits", _container(memory=0), "app may use"),
    ("limits", _container(memory=1 << 20), "docker service update --force school_app"),
    ("limits", _container(cpus=5_000_000_000), "app may use 5 CPU"),
    ("limits", _container(pids=0), "0 processes, not"),
    (
        "limits",
        _container(by_hand=["CpusetCpus 0"]),
        "school_app.1.abc was changed by docker update: CpusetCpus 0: docker service update --force school_app",
    ),
    (
        "limits",
        _container(memory_in_force=0),
        "the kernel gives it any amount of memory: docker service update --force",
    ),
    (
        "limits",
        _container(memory_in_force=1 << 20),
        "the kernel gives it 1MB of memory: docker service update --force school_app",
    ),
    ("limits", _container(memory_swap=-1), "docker update: MemorySwap -1: docker service update --force school_app"),
    ("limits", _container(cpus_in_force=20_000_000), "the kernel gives it 0.02 CPU: docker service update --force"),
    ("limits", _container(cpus_in_force=0), "the kernel gives it every CPU"),
    ("limits", _container(pids_in_force=0), "the kernel gives it any number of processes"),
    (
        "limits",
        _both(
            _further(1, 1),
            _values("exporter", limits={"cpus": 30_000_000, "memory": 1 << 30, "pids": 128}),
            _container(service="exporter", cpus=20_000_000, cpus_in_force=None),
        ),
        "school_app.1.abc may use 0.02 CPU, ",
    ),
    ("reservations", _values("app", reservations={"cpus": 0, "memory": 0}), "app has 0 CPU, 0B set aside"),
    ("reservations", _gone("engine", "services", "postgres"), "no service postgres"),
    ("health-timing", _values("app", health=None), "app has no health check"),
    ("health-timing", _values("postgres", health={"test": ["NONE"]}), "postgres has no health check"),
    (
        "health-timing",
        lambda seen, _e: seen["engine"]["services"]["app"]["values"]["health"].update(interval=10**12),
        "interval is 1000 s",
    ),
    (
        "health-timing",
        lambda seen, _e: seen["engine"]["services"]["app"]["values"]["health"].update(retries=99),
        "99 retries",
    ),
    ("app-environment", _values("app", env={"TZ": "Etc/UTC"}), "NODE_OPTIONS is not set"),
    ("app-environment", _values("app", env={"NODE_OPTIONS": "--max-old-space-size=9", "TZ": "Etc/UTC"}), "=9"),
    (
        "app-environment",
        lambda seen, _e: seen["engine"]["services"]["app"]["values"]["env"].update(DEBUG="1"),
        "DEBUG is set, and should not be",
    ),
    ("app-environment", _gone("engine", "services", "app"), "no service app"),
    ("networks", _seen("engine", "networks", "school_data", internal=False), "school_data leads outside"),
    ("networks", _gone("engine", "networks", "school_database"), "no network school_database"),
    ("networks", _values("postgres", networks=[{"name": "school_edge"}]), "postgres is also in the network edge"),
    ("networks", _values("postgres", networks=[]), "postgres is not in the network database"),
    ("networks", _values("pgbouncer", publish=[{"published": 5432}]), "pgbouncer publishes 5432"),
    (
        "networks",
        _container(networks=["school_edge", "school_data", "bridge"]),
        "unlike its service: docker network disconnect bridge school_app.1.abc",
    ),
    ("users", _container(user="root"), "app runs as root"),
    ("users", _container(process={"Uid": "0 0 0 0"}), "app runs as"),
    ("read-only-root", _container(read_only=False), "app can write to its root"),
    ("capabilities", _container(cap_add=["CAP_NET_ADMIN"]), "app has capabilities (CAP_NET_ADMIN)"),
    ("capabilities", _container(cap_drop=[]), "app has capabilities (the engine's own)"),
    (
        "capabilities",
        _container(process={"CapEff": "00000000a80425fb", "NoNewPrivs": "1"}),
        "(00000000a80425fb)",
    ),
    ("capabilities", _container(process={"CapEff": "0", "NoNewPrivs": "0"}), "app could gain privileges"),
    ("capabilities", _container(security=["seccomp=unconfined"]), "app may make every system call"),
    ("capabilities", _container(process={"CapEff": "0", "NoNewPrivs": "1", "Seccomp": "0"}), "every system call"),
    ("capabilities", _container(apparmor="unconfined"), "app runs without AppArmor"),
    ("capabilities", _container(security=["apparmor:unconfined"]), "app runs without AppArmor"),
    ("capabilities", _seen("engine", "info", SecurityOptions=["name=apparmor"]), "cannot filter system calls"),
    (
        "capabilities",
        _seen("engine", "info", SecurityOptions=["name=seccomp,profile=unconfined"]),
        "the engine filters no system calls",
    ),
    ("isolation", _stranger("stopped", privileged=True), "stranger is privileged"),
    ("isolation", _stranger(privileged=True), "stranger is privileged"),
    ("isolation", _stranger(mounts=["/var/run/docker.sock"]), "holds the engine's socket"),
    ("isolation", _stranger(mounts=["/"]), "stranger holds the host's /"),
    ("isolation", _container(shares=["NetworkMode"]), "shares network with the host"),
    ("foreign-containers", _stranger(), "stranger is not of the stack"),
    ("foreign-containers", _stranger("stopped", restart="always"), "stranger (stopped, restart=always)"),
    ("foreign-containers", _stranger(name="school_debug"), "not of the stack: school_debug"),
    ("crashes", _container(oom_killed=True), "app was killed for its memory: once that is mended, docker service"),
    ("crashes", _container(kills=1, started=NOW - 600), "killed processes of school_app.1.abc for its memory (1)"),
    (
        "crashes",
        _container(kills=1),
        "for its memory (1), some time since it was started 24 h ago: once that is mended, docker",
    ),
    ("crashes", _ended(3, "2026-11-23T02:10:00.1Z"), "app ended 3 times"),
    ("crashes", crashed, "app ended 3 times in an hour: exit 1, the last time 30 min ago"),
    ("log-rotation", _container(log_options={}), "without a limit"),
    ("log-rotation", _container(log_driver="local"), "logs with local"),
    ("log-rotation", _container(log_bytes=10**9), "takes 954 MB"),
    (
        "engine-settings",
        _expect("docker", settings={"log-driver": "local", "log-opts": {}}),
        "log-driver is not as it should be",
    ),
    ("engine-settings", _seen("engine", "daemon", "found", start_time=0.5), "has not read its file"),
    (
        "engine-settings",
        _seen("engine", "daemon", "found", start_time=0.5, file='{"log-opts": {"max-size": "500m"}}'),
        "daemon.json is not as the playbook wrote it: ",
    ),
    ("engine-settings", _seen("engine", "daemon", "found", file="{}"), "is not as it should be"),
    ("images", _seen("released", former=["firstbell/app:gone"]), "firstbell/app:gone, a version before, is gone"),
    ("images", _seen("released", on_record=False), "no deployment is on record"),
    ("images", _container(image="firstbell/app:latest"), "no fixed version"),
    ("images", _container(image="firstbell/app"), "no fixed version"),
    ("images", _seen("engine", "images", "sha256:app", created=NOW - 60 * DAY), "app is 60 days old"),
    ("images", _gone("engine", "images", "sha256:app"), "is gone from this host"),
    (
        "images",
        _seen("engine", "images", "sha256:redis", tags=["firstbell/redis:0123456789ab", "firstbell/app:bbbbbbbbbbbb"]),
        "firstbell/app:bbbbbbbbbbbb names another image than was built by that name: docker rmi --force firstbell/app",
    ),
    ("images", _seen("engine", "images", "sha256:app", tags=[]), "than the one that app runs: docker tag sha256:app "),
    ("firewall-rules", _seen("firewall", live=""), "no rules are loaded"),
    ("firewall-rules", _seen("firewall", live="table {\n a\n}"), "missing: b"),
    ("firewall-rules", _seen("firewall", live="table {\n a\n b\n c\n}"), "added: c"),
    ("firewall-rules", _seen("firewall", live="table {\n b\n a\n}"), "another order"),
    ("firewall-rules", _seen("firewall", "unit", UnitFileState="disabled"), "next boot"),
    ("firewall-rules", _seen("firewall", "unit", ActiveState="inactive"), "does not run"),
    ("firewall-rules", _seen("firewall", file=None), "firstbell.nft, which is read at every boot, is missing"),
    ("firewall-rules", _seen("firewall", file="table {\n a\n b\n c\n}\n"), "at every boot, differs: + c"),
    ("firewall-rules", _expect("firewall", enabled=False), "switched off"),
    ("open-ports", _seen("scan", "192.0.2.7", open=[22, 80, 443, 5432]), "port 5432 of 192.0.2.7 is open"),
    ("open-ports", _seen("scan", "192.0.2.7", open=[22, 80, 443, 2377]), "port 2377 of 192.0.2.7 is open"),
    ("open-ports", _seen("scan", "192.0.2.7", open=[22]), "port 443 of 192.0.2.7 is closed"),
    ("settings-connections", _finding("max_connections"), "max_connections: it is 1"),
    ("settings-shared-buffers", _finding("shared_buffers"), "shared_buffers: it is 1"),
    ("settings-cache-size", _finding("effective_cache_size"), "effective_cache_size: it is 1"),
    ("settings-work-mem", _finding("work_mem"), "work_mem: it is 1"),
    ("settings-work-mem", _seen("settings", "settings", "work_mem", in_force=False), "work_mem is"),
    ("settings-work-mem", _gone("settings", "settings", "work_mem"), "work_mem is None"),
    ("settings-maintenance", _finding("maintenance_work_mem"), "maintenance_work_mem: it is 1"),
    ("settings-wal", _finding("wal_buffers"), "wal_buffers: it is 1"),
    ("settings-disk", _finding("random_page_cost"), "random_page_cost: it is 1"),
    ("settings-statistics", _finding("default_statistics_target"), "default_statistics_target: it is 1"),
    ("settings-statements", _finding("shared_preload_libraries"), "shared_preload_libraries: it is 1"),
    ("settings-other", _finding("synchronous_commit"), "synchronous_commit: it is 1"),
    ("settings-other", _finding("pg_hba.conf"), "pg_hba.conf: it is 1"),
    ("settings-other", _in_force("zero_damaged_pages"), "zero_damaged_pages: it is on, which no file says any more"),
    ("settings-work-mem", lambda _s, e: e["postgres"].update(settings={"port": 1}), "none of these"),
    ("indexes", lambda seen, _e: seen["indexes"]["findings"].append("essential index is missing: x"), "missing"),
    ("database-answers", _seen("database", recovering=True), "in recovery"),
    (
        "database-answers",
        _seen("database", open=[{**SESSION, "idle": True, "age": "00:07:00"}]),
        "pid 7 (role postgres, application psql) has had a transaction open for 00:07:00 and does nothing in it",
    ),
    (
        "database-answers",
        _seen("database", open=[{**SESSION, "idle": False, "age": "02:00:00"}]),
        "pid 7 (role postgres, application psql) has had a transaction open for 02:00:00",
    ),
    (
        "database-answers",
        _seen("database", orders=[{"name": "the database school", "made": "2.36", "has": "2.41", "fix": ORDERED}]),
        "the database school is of version 2.36 of the system's order of texts, which has 2.41 by now",
    ),
    (
        "database-answers",
        _seen("database", oldest_transaction=1_500_000_000),
        "oldest transaction id is 1500000000 old",
    ),
    ("database-answers", _seen("database", oldest_multixact=1_500_000_000), "oldest multixact id is 1500000000 old"),
    ("database-answers", _seen("database", signals=["standby.signal"]), "rm /opt/school/data/postgres/*/data/standby"),
    (
        "database-answers",
        _seen("database", blockers=[{**SESSION, "waiting": 2}]),
        "2 sessions wait for a lock of postgres's, psql",
    ),
    (
        "database-answers",
        _seen("database", "sequences", 0, highest=9),
        "would give 8, and s goes on to 9 already",
    ),
    (
        "database-answers",
        _seen("database", "sequences", 0, next=32000),
        "is at 32000 of 32767",
    ),
    (
        "database-answers",
        _seen("database", "sequences", 0, next=480, most=500),
        "the sequence s_id_seq is at 480 of 500, where its MAXVALUE ends it",
    ),
    ("statement-statistics", _seen("database", statements=None), "not loaded"),
    ("statement-statistics", _seen("database", statements=0), "no statement was counted"),
    ("checksums", _seen("database", data_checksums="off"), "data_checksums is off"),
    ("checksums", _seen("database", damaged_pages="school: 2"), "damaged when they were read: school: 2"),
    ("database-roles", _role("postgres", without_password=False), "the superuser postgres has a password"),
    ("database-roles", _role("school_app", superuser=True), "school_app is superuser"),
    ("database-roles", _role("school_app", powerful=True), "more than a user"),
    ("database-roles", _role("school_app", scram=False), "weak form"),
    ("database-roles", _role("school_app", own_password=False), "the password of school_app is not the one of"),
    (
        "database-roles",
        _role("school_app", valid_until="2026-12-01 00:00 UTC"),
        "the password of school_app ends on 2026-12-01 00:00 UTC",
    ),
    ("database-roles", _lost("students", 1), "school_app may not use students, or"),
    ("database-roles", _lost("students", 3), "school_app may not use students and 2 more, or"),
    ("database-roles", _given("PUBLIC"), "PUBLIC has INSERT, SELECT on TABLE students and 1 more, and may pass it on"),
    (
        "database-roles",
        _seen(
            "database", strangers=[{"name": "the event trigger a", "problem": "runs", "fix": "DROP EVENT TRIGGER a"}]
        ),
        "the event trigger a runs",
    ),
    ("database-roles", _role("school_app", name="intruder"), "intruder may log in"),
    ("database-roles", _role("school_owner", name="intruder"), "the role school_owner is missing"),
    ("database-roles", _role("school_owner", name="x", once="school_owner"), "school_owner is called x by now"),
    ("database-roles", _seen("database", app_creates=True), "school_app may make tables"),
    ("app-timeouts", _role("school_app", settings=["statement_timeout=0"]), "statement_timeout is 0"),
    ("app-timeouts", _role("school_app", settings=None), "not set"),
    ("database-encryption", _seen("database", ssl="off"), "TLS is off"),
    (
        "database-encryption",
        _seen(certificates=["certificate of postgres: another authority issued it"]),
        "certificate of postgres: another authority issued it",
    ),
    (
        "database-encryption",
        _seen("database", unread=["/opt/school/postgres/pg_hba.conf"]),
        "written after the server has",
    ),
    ("database-encryption", _seen("database", unencrypted=2), "2 connections are in clear"),
    ("database-encryption", _rule(type="host"), "by host scram-sha-256"),
    ("database-encryption", _rule(method="trust"), "by hostssl trust"),
    ("database-encryption", _rule(method="md5"), "md5"),
    ("database-encryption", _rule(type="local", method="trust"), "lets in by trust"),
    ("database-encryption", _rule(error="no such role"), "no such role"),
    ("database-encryption", _seen("database", hba=[]), "no rules"),
    ("connection-budget", _seen("database", max_connections=10), "the pool can open"),
    ("connection-budget", _seen("database", connections=37), "are in use"),
    ("connection-budget", _seen("database", connection_limit=0), "the database takes 0 of them"),
    ("connection-budget", _role("school_app", connections=1), "school_app may open 1 connections, not any number"),
    ("connection-budget", _role("school_monitoring", connections=1), "may open 1 connections, not 3"),
    ("pool-settings", lambda seen, _e: seen["pool"]["CONFIG"].clear(), "no such setting"),
    (
        "pool-settings",
        lambda seen, _e: next(row for row in seen["pool"]["CONFIG"] if row["key"] == "default_pool_size").update(
            value="3"
        ),
        "default_pool_size: it is 3",
    ),
    (
        "pool-settings",
        _seen("pool", "DATABASES", 0, pool_mode="session"),
        "pool_mode of the database school is session",
    ),
    ("pool-settings", _seen("pool", "DATABASES", 0, host="evil"), "host of the database school is evil, not postgres"),
    ("pool-settings", _seen("pool", "DATABASES", 1, name="other", host="x"), "leads to pgbouncer at x as other, too"),
    (
        "pool-settings",
        lambda seen, _e: seen["pool"]["CONFIG"].append(
            {"key": "server_reset_query_always", "value": "1", "default": "0", "changeable": "yes"}
        ),
        "server_reset_query_always is 1, and neither",
    ),
    ("pool-state", _seen("pool", "POOLS", 0, maxwait="3", cl_waiting="2"), "2 clients of school/school_app wait"),
    ("pool-state", _seen("pool", "DATABASES", 0, paused="1"), "school is paused"),
    ("pool-state", _seen("pool", "DATABASES", 0, disabled="1"), "school is disabled"),
    ("pool-state", _seen("pool", DATABASES=[]), "does not know the database"),
    ("cache-settings", _seen("cache", "info", maxmemory="0"), "maxmemory is 0 bytes"),
    ("cache-settings", _seen("cache", "info", maxmemory_policy="noeviction"), "noeviction"),
    ("cache-settings", _seen("cache", "info", aof_enabled="0"), "appendonly is off"),
    ("cache-settings", _seen("cache", "info", aof_last_write_status="err"), "the last write"),
    ("cache-settings", _seen("cache", "info", used_memory="9999999999", evicted_keys="5"), "it is full"),
    ("cache-settings", _seen("cache", file=""), "in redis.conf"),
    (
        "cache-settings",
        _seen("cache", lost=["a.manifest"]),
        "a restart would find none of its data: a.manifest is gone",
    ),
    (
        "cache-settings",
        _seen("cache", "live", appendfsync="no"),
        "appendfsync is no in the running cache, not everysec",
    ),
    ("cache-settings", _seen("cache", live={}), "does not tell its settings"),
    ("cache-users", _seen("cache", "live_users", evil=["on"]), "the user evil of the running cache is not the stack's"),
    ("cache-users", _seen("cache", "live_users", backup=["on", "passwords=2"]), "has more than one password"),
    ("cache-users", _seen("cache", nobody="PONG"), "without a password is answered"),
    ("cache-users", _seen("cache", "app", **{"KEYS firstbell-verify:*": [""]}), "may use KEYS"),
    ("cache-users", _seen("cache", "app", PING=["NOPERM"]), "cannot use it"),
    ("tls-protocols", _seen("tls", "old", **{"TLSv1.1": {"version": "TLSv1.1"}}), "TLSv1.1 is taken"),
    ("tls-protocols", _seen("tls", "new", **{"TLSv1.3": {"refused": "no"}}), "TLSv1.3 is refused"),
    ("tls-ciphers", _seen("tls", weak={"version": "TLSv1.2", "cipher": "AES128-SHA"}), "AES128-SHA is taken"),
    ("certificate", _seen("tls", trusted={"refused": "self-signed certificate"}), "not to be trusted"),
    ("certificate", _seen("tls", ends=NOW + DAY), "1 days left"),
    ("certificate", _seen("tls", "disk", problem="is missing"), "/opt/school/nginx/certificate/site.pem is missing"),
    ("certificate", _seen("tls", "disk", fingerprint="11"), "nginx shows another one than /opt/school/nginx/cert"),
    ("certificate", _seen("tls", ends=NOW + 10 * DAY), "10 days left"),
    ("redirect", _seen("site", "plain", status=302), "302"),
    ("redirect", _seen("site", "plain", "headers", location="https://other.org/"), "other.org"),
    ("site-answers", _seen("site", "page", status=503), "/ answers 503"),
    ("site-answers", _seen("site", "page", status=404), "has another path, name it in monitoring_probe_path"),
    ("site-answers", _seen("site", "ready", status=500), "/api/auth/session answers 500"),
    ("site-answers", lambda seen, _e: [seen["site"][k].update(seconds=2.0) for k in ("page", "again")], "2.00 s"),
    ("headers", _gone("site", "page", "headers", "strict-transport-security"), "strict-transport-security is missing"),
    ("headers", _seen("site", "page", "headers", **{"x-content-type-options": "x"}), "nosniff"),
    ("headers", _gone("site", "page", "headers", "x-frame-options"), "x-frame-options is missing"),
    ("headers", _seen("site", "page", "headers", server="nginx/1.26.3"), "tells its version"),
    ("headers", _seen("site", "page", "headers", **{"x-powered-by": "Next.js"}), "Next.js"),
    ("strangers", _seen("site", "stranger", status=200), "http answers 200"),
    ("strangers", _seen("tls", stranger={"version": "TLSv1.3"}), "https shows a certificate"),
    ("private-paths", _seen("site", "private", status=200), "answers 200"),
    ("static-cache", _seen("site", "static", 1, "headers", **{"x-cache": "MISS"}), "MISS"),
    ("static-cache", _seen("site", "static", 1, "headers", **{"cache-control": "no-store"}), "no-store"),
    ("compression", _gone("site", "page", "headers", "content-encoding"), "not compressed"),
    ("sticky", _expect("edge", sticky=True), "no cookie is set"),
    ("sticky", _seen("site", "page", cookies=["edge_replica=1; Secure; HttpOnly"]), "though edge_sticky is off"),
    ("rate-limit", _seen("limit", limited=False, passed=400), "none was refused"),
    ("rate-limit", _seen("limit", passed=200), "are allowed"),
    ("domain", _seen("names", addresses=[], error="unknown"), "leads nowhere"),
    ("domain", _seen("names", addresses=["198.51.100.1"]), "it leads to 198.51.100.1"),
    ("domain", _seen("names", addresses=["192.0.2.7", "2001:db8::9"]), "it leads to 2001:db8::9 as well, which is no"),
    ("domain", _seen("names", aliases={"www.school.org": []}), "www.school.org leads nowhere"),
    ("certificate", _seen("tls", names=["school.org"]), "it is not for www.school.org"),
    ("secret-files", _seen("host", "files", "/opt/school/redis/users.acl", mode=0o644), "mode 0644"),
    ("secret-files", _seen("host", "files", "/opt/school/redis/users.acl", uid=1000), "belongs to user 1000"),
    ("secret-files", _seen("host", "files", "/opt/school/redis/users.acl", uid=0), "users.acl belongs to user 0"),
    ("secret-files", _gone("host", "files", "/opt/school/pki/ca.key"), "no pki/ca.key"),
    ("secrets-strong", lambda _s, e: e.update(secret_findings=["nextauth_secret: it is too short"]), "too short"),
    ("secrets-hidden", _seen(visible=[{"secret": "a dump", "place": "/x.sql"}]), "/x.sql is a dump of a database"),
    ("secrets-hidden", _seen(visible=[{"secret": "backup_key", "place": "ps auxww"}]), "backup_key stands in ps"),
    ("secrets-age", _seen("engine", "secrets", 0, created="2025-01-01T00:00:00Z"), "days old"),
    ("secrets-age", _seen("engine", secrets=[]), "have no secrets"),
    ("backup-check", _seen("backups", "check", code=1, out="PROBLEM space: 1 GB free\n"), "space: 1 GB free"),
    ("backup-check", _seen("backups", "check", code=1, out="another command is at work"), "at work"),
    ("backup-check", NO_BACKUP, "switched off"),
    (
        "backup-check",
        _seen("backups", "check", out="NOTE repository 1: no moment between a and b\nok: the newest is 1 s old\n"),
        "repository 1: no moment between a and b",
    ),
    (
        "cache-settings",
        _seen("cache", "info", used_memory="999999999", db0="keys=42,expires=0,avg_ttl=0"),
        "full of keys that never expire, and refuses writes: docs/runbooks/redis.md#cacherefuseswrites",
    ),
    ("cache-settings", _seen("cache", "info", used_memory="999999999", evicted_keys="7"), "full and throws keys away"),
    (
        "engine-access",
        _seen("access", context="prod"),
        "speaks to prod instead of this host's engine: docker context use",
    ),
    ("directories", _seen("host", barred=["/opt/school/nginx/cache/body"]), "chmod u+rwX /opt/school/nginx/cache/body"),
    (
        "directories",
        _seen("host", "temporary", **{"/tmp": {"mode": 0o755, "uid": 0, "gid": 0}}),
        "/tmp has mode 0755, and everybody has to write there, but only their own: chmod 1777 /tmp",
    ),
    (
        "backup-check",
        _seen("backups", "check", code=1, out="PROBLEM repository 1: of the backup F, bundle/1 is changed\n"),
        "of the backup F, bundle/1 is changed",
    ),
    ("backup-ages", _seen("backups", "info", "backups", 0, stop=NOW - 2 * DAY), "the newest backup is 48h old"),
    ("backup-ages", _seen("backups", "info", "backups", 0, kind="diff"), "there is no full backup"),
    ("backup-ages", _seen("backups", "info", "backups", 0, error=True), "has errors"),
    ("backup-ages", _seen("backups", "info", backups=[]), "there is no backup"),
    ("backup-ages", _seen("backups", "info", "backups", 0, stop=NOW + DAY), "F is dated 24h ahead; see the host's clo"),
    ("backup-ages", NO_BACKUP, "switched off"),
    ("backup-dump", _seen("backups", dumps=[NOW - 2 * DAY]), "48h old"),
    ("backup-dump", _seen("backups", dumps=[]), "there is none"),
    ("backup-dump", _seen("backups", dumps=[NOW + DAY]), "the newest is dated 24h ahead"),
    ("backup-dump", _seen("backups", dumps=[], since=NOW + DAY), "there is none"),
    ("backup-dump", _seen("backups", dumps=[], damaged_dumps=["a.dump.enc is gone"]), "none; a.dump.enc is gone"),
    ("backup-dump", _seen("backups", damaged_dumps=["a.dump.enc is not what was written"]), "a.dump.enc is not what"),
    ("backup-dump", NO_BACKUP, "switched off"),
    ("backup-files", _seen("backups", records={}), "no record"),
    ("backup-files", _seen("backups", "records", "files-backup", ended=NOW - DAY), "24h old"),
    ("backup-files", _seen("backups", "records", "files-backup", ended=NOW + DAY), "the last one is dated 24h ahead"),
    ("backup-files", _seen("backups", "records", "files-backup", failures=["redis: no space"]), "no space"),
    ("backup-files", _seen("backups", "records", "files-backup", components={}), "redis is not in it"),
    ("backup-files", _seen("backups", "records", files__check={"findings": ["damaged"]}), "damaged"),
    ("backup-files", NO_BACKUP, "switched off"),
    (
        "backup-files",
        _seen("backups", "check", code=1, out="PROBLEM files: of the repository, data/3d/3d9a is gone\n"),
        "data/3d/3d9a is gone",
    ),
    ("backup-encryption", _seen("backups", "info", "repositories", 0, cipher="none"), "encrypted with none"),
    ("backup-encryption", _seen("backups", configuration={}), "compressed with none"),
    ("backup-encryption", NO_BACKUP, "switched off"),
    ("backup-retention", _seen("backups", "settings", "postgres", retention_days=3), "3 days are in force"),
    ("backup-retention", _expect("backup", retention_days=7), "7 days are fewer than 30"),
    ("backup-retention", _seen("backups", since=NOW - 90 * DAY), "the oldest backup is only"),
    ("backup-retention", NO_BACKUP, "switched off"),
    ("restore-drill", _seen("backups", "records", "drill", ended=NOW - 2 * DAY), "48h ago"),
    ("restore-drill", _seen("backups", "records", "drill", success=False), "the last one failed"),
    ("restore-drill", _seen("backups", "records", "drill", ended=NOW + DAY), "the last one is dated 24h ahead"),
    ("restore-drill", _seen("backups", "records", "drill", recovery_point=1000), "1000 s would have been lost"),
    ("restore-drill", _seen("backups", "records", "drill", recovery_time=2000), "2000 s were needed"),
    ("restore-drill", _gone("backups", "records", "drill", "recovery_time"), "an unknown time"),
    ("restore-drill", _gone("backups", "records", "drill"), "none was ever made"),
    ("restore-drill", NO_BACKUP, "switched off"),
    ("off-site", _seen("backups", "info", "repositories", 1, code=1, message="no answer"), "no answer"),
    ("off-site", lambda seen, _e: seen["backups"]["info"]["repositories"].pop(), "the second repository is not there"),
    ("recovery-documents", _seen("documents", pages={}), "there are no pages"),
    ("recovery-documents", _gone("documents", "pages", "README.md"), "README.md is missing"),
    ("recovery-documents", _gone("documents", "pages", "a.md"), "only 3 pages"),
    ("recovery-documents", _seen("documents", commands=[]), "c.md: there is no command check"),
    ("recovery-documents", _seen("documents", playbooks=["site"]), "c.md: there is no playbook restore"),
    ("directories", _seen("host", "directories", "/opt/school", mode=0o777), "0777"),
    ("directories", _seen("host", "directories", "/opt/school", uid=0), "0:1001"),
    ("directories", _seen("host", directories={}), "is missing"),
    *(
        ("directories", _seen("host", "configuration", NGINX, **of), "nginx.conf cannot be read by user 1001")
        for of in ({"mode": 0o600, "uid": 0, "gid": 0}, {"mode": 0o044}, {"mode": 0o604, "uid": 0})
    ),
    ("kernel", _seen("host", "kernel", **{"net.core.somaxconn": "128"}), "net.core.somaxconn is 128, not 65535"),
    ("kernel", _seen("host", "kernel", **{"net.core.somaxconn": None}), "net.core.somaxconn is None"),
    ("kernel", _seen("host", sysctls_file=None), "99-firstbell.conf, which is read at every boot, is missing"),
    (
        "kernel",
        _seen("host", sysctls_file="# Written\n"),
        "99-firstbell.conf, which is read at every boot, differs: -#",
    ),
    (
        "kernel",
        lambda seen, _e: seen["host"].update(sysctls_file=seen["host"]["sysctls_file"] + "net.ipv4.ip_forward = 0\n"),
        "differs: +net.ipv4.ip_forward = 0",
    ),
    (
        "kernel",
        _seen("host", "sysctls_later", **{"/etc/sysctl.d/99-sysctl.conf": "-net/core/somaxconn=128\n"}),
        "/etc/sysctl.d/99-sysctl.conf sets net.core.somaxconn to 128 at the next boot, not 65535: take",
    ),
    ("clock", _seen("host", "clock", synchronised=False), "not synchronised"),
    ("clock", _seen("host", "clock", active=False), "nothing keeps it right: timedatectl set-ntp true"),
    ("clock", lambda _s, e: e.update(clock_ahead=300.0), "it is 300 s ahead of the controller's"),
    (
        "clock",
        _both(_seen("host", "clock", container="docker"), lambda _s, e: e.update(clock_ahead=-90.0)),
        "it is 90 s behind the controller's",
    ),
    ("clock", _seen("host", "clock", timezone="Europe/Berlin"), "the time zone is Europe/Berlin"),
    ("disk-space", _seen("host", "disks", "/", free=5 << 30), "5.0 GB free"),
    ("disk-space", _seen("host", "disks", "/", free=15 << 30), "15.0 GB free"),
    ("disk-space", _seen("host", "disks", "/", inodes_free=10), "inodes 1%"),
    (
        "disk-space",
        _seen("host", "disks", "/", read_only=1),
        "/ takes no writes: dmesg says why; only",
    ),
    ("disk-space", _seen("host", "disks", "/var/log", free=50 << 20), "/var/log: 0.0 GB free, 5%"),
    ("memory", _seen("host", "memory", MemAvailable=1000), "0% of"),
    ("host-size", _seen("host", "memory", MemTotal=1 << 30), "1.0 GB, and 4.0 are planned"),
    ("host-size", _seen("host", cpus=1), "1 CPUs, and 2 are planned"),
    ("swap", _seen("host", "memory", SwapTotal=0), "0.0 GB of swap"),
    ("disk-kind", _seen("host", rotational=True), "the disk turns"),
    ("failed-units", _seen("host", failed_units=["broken.service loaded failed failed"]), "broken.service"),
    ("timers", _seen("units", **{"school-backup-incr.timer": {"LoadState": "not-found"}}), "is missing"),
    ("timers", _seen("units", "school-backup-incr.timer", ActiveState="inactive"), "does not run"),
    ("timers", _seen("units", "school-backup-incr.timer", UnitFileState="disabled"), "after a reboot"),
    (
        "timers",
        _seen("units", "school-backup-incr.timer", Unread="/etc/systemd/system/school-backup-incr.timer"),
        "goes by what its file said before it was changed: systemctl daemon-reload",
    ),
    ("timers", _seen("units", "school-backup-incr.service", Result="exit-code"), "school-backup-incr.service failed"),
    ("timers", _seen("units", GATE, ActiveState="inactive"), f"{GATE} does not run: systemctl start {GATE}"),
    ("timers", _seen("units", GATE, UnitFileState="disabled"), f"it is disabled: systemctl enable {GATE}"),
    ("timers", _seen("units", **{"docker.service": {"UnitFileState": "masked"}}), "systemctl unmask docker.service"),
    (
        "timers",
        _seen("units", "docker.service", ActiveState="inactive"),
        "not run: systemctl start docker.service",
    ),
    ("timers", _gone("units", GATE), f"{GATE} will not start with the host, it is missing"),
    (
        "timers",
        _seen("units", GATE, DropInPaths=f"/etc/systemd/system/{GATE}.d/x.conf"),
        f"{GATE}.d/x.conf overrides it",
    ),
    ("timers", _expect("night_work", timers=["school-night.timer"]), "school-night.timer is missing"),
    ("timers", lambda _s, e: [e[role].update(timers=[]) for role in ("backup", "docker")], "no timer is planned"),
    ("security-updates", _seen("updates", installed=False), "not installed"),
    ("security-updates", _seen("updates", "timers", "apt-daily.timer", ActiveState="inactive"), "does not run"),
    (
        "security-updates",
        _seen("updates", "timers", "apt-daily-upgrade.timer", UnitFileState="disabled"),
        "it is disabled: systemctl enable --now apt-daily-upgrade.timer",
    ),
    ("security-updates", _seen("updates", origins=[]), "take nothing from the source of security updates: grep -l"),
    ("security-updates", _seen("updates", options=[]), "APT::Periodic::Unattended-Upgrade is off"),
    ("security-updates", _seen("updates", listed=NOW - 9 * DAY), "9 days old"),
    ("security-updates", _seen("updates", security=["openssl"]), "1 security updates wait: openssl"),
    ("security-updates", _seen("updates", reboot=True), "waits for a reboot"),
    ("monitoring-targets", _seen("monitoring", "up", 0, up=False), "node at node has not answered"),
    ("monitoring-targets", _seen("monitoring", up=[]), "nothing of the job node is measured"),
    ("autoscaler-decides", _seen("scaling", status={}, said="it has not decided for 90 s"), "not decided for 90 s"),
    ("autoscaler-decides", _seen("scaling", "status", problem="school_app is being updated"), "not carried out"),
    ("autoscaler-decides", _seen("scaling", "status", source="fallback"), "no trigger has a usable metric"),
    ("autoscaler-decides", _seen("scaling", "status", replicas=3), "3 replicas are not between 1 and 2"),
    ("autoscaler-decides", _seen("scaling", "status", source="paused"), "paused by hand"),
    ("autoscaler-decides", _values("app", replicas=2), "the application has 2 replicas, and 1 are ordered"),
    ("autoscaler-calendar", _seen("scaling", calendar={}), "the calendar on the host is another one"),
    ("autoscaler-calendar", _seen("scaling", "status", band="night"), "band night with 1 to 2, not school with 1 to 2"),
    ("autoscaler-calendar", _seen("scaling", "status", minimum=2), "band school with 2 to 2, not school with 1 to 2"),
    ("autoscaler-calendar", _seen("scaling", status={}), "no decision to compare with"),
    ("night-work", _seen("scaling", night={}), "it was never done"),
    ("night-work", _seen("scaling", "night", at=NOW - 4 * DAY), "not done for 4.0 days"),
    ("night-work", _seen("scaling", "night", at=NOW + DAY), "the last time is dated 24h ahead"),
    ("night-work", _seen("scaling", night={}, night_since=NOW + DAY), "it was never done"),
    ("night-work", _seen("scaling", "night", failed=["VACUUM: no"]), "VACUUM: no"),
    ("night-work", _seen("scaling", "night", complete=False, stopped="the band ends"), "cut short: the band ends"),
    ("alert-rules", _seen("monitoring", rules=80), "80 rules are loaded, and 87 are in the file"),
    ("alert-rules", _seen("monitoring", rules=0, written=0), "there is no rule"),
    ("alert-rules", _seen("files", **{RULES_FILE: "groups:\n- x\n"}), "the rules are not the playbook's: +- x"),
    ("alert-rules", _gone("files", RULES_FILE), "there is no file"),
    ("alert-rules", _seen("monitoring", failures=2), "2 evaluations failed"),
    ("log-shipping", _seen("logs", active="failed"), "school-logs.service does not run"),
    ("log-shipping", _seen("logs", connected=False), "there is no connection to logs.test:6514"),
    ("log-shipping", _seen("logs", waiting_bytes=17 * 1024**2), "17 MB of logs wait for logs.test:6514"),
    ("alerts-arrive", _seen("monitoring", mail_refused="535 no"), "mail.school.org would not take a mail: 535 no"),
    ("alerts-arrive", _seen("monitoring", invented=["DatabaseDown"]), "Prometheus has not fired DatabaseDown"),
    ("alerts-arrive", _seen("monitoring", firing=[]), "Watchdog, which fires all the time, does not"),
    ("alerts-arrive", _seen("monitoring", alertmanagers=0), "knows no Alertmanager"),
    ("alerts-arrive", _seen("monitoring", notifications_failed=3), "3 notifications failed"),
    ("alerts-arrive", _expect("monitoring", receivers=False), "nobody is told"),
    ("alerts-firing", _alert("page"), "CacheDown fires"),
    ("alert-rules", _seen("monitoring", unread=["prometheus"]), "prometheus has not read its configuration"),
    (
        "alerts-arrive",
        _silence(),
        'what has a=~".+" reaches nobody until 2026-12-01 00:00 UTC, by a silence of eve',
    ),
    (
        "alerts-arrive",
        _silence(since="2026-11-30 07:00"),
        "reaches nobody from 2026-11-30 07:00 until 2026-12-01 00:00",
    ),
    (
        "configuration-files",
        lambda _s, e: e["monitoring"].update(
            config={"path": "/opt/school/monitoring/drill.json", "settings": {"a": 1}}
        ),
        "/opt/school/monitoring/drill.json: it is missing",
    ),
    ("private-paths", _seen("site", guarded={"/prometheus": 200}), "/prometheus answers 200 without a password"),
    ("users", _container(uids=["0", "1001"]), "a process in app runs as user 0"),
    ("networks", _stranger(networks=["school_data"]), "stranger is not the stack's and in the network school_data"),
    ("database-roles", _member("pg_read_server_files", "school_app"), "school_app belongs to pg_read_server_files"),
    ("database-roles", _member("pg_write_all_data", "school_monitoring"), "belongs to pg_write_all_data"),
    ("database-roles", _member("pg_execute_server_program", "pg_monitor"), "pg_monitor belongs to pg_execute_server_p"),
    (
        "database-roles",
        _seen("database", languages=["plpython3u"]),
        "who uses it run programs: DROP EXTENSION plpython3u",
    ),
    ("database-roles", _seen("database", extensions=["citext", "dblink"]), "the extension dblink reaches out"),
    ("database-answers", _slot, "the replication slot forgotten keeps 2048 MB"),
    ("database-overrides", _override("", "school_app", "work_mem=1GB"), "school_app has work_mem=1GB"),
    ("database-overrides", _override("school", "", "fsync=off"), "every role in the database school has fsync=off"),
    (
        "database-overrides",
        lambda seen, _e: seen["database"]["by_hand"].append({"name": "fsync", "setting": "off", "refused": False}),
        "ALTER SYSTEM has set fsync to off",
    ),
    *(
        ("database-overrides", _seen("database", "by_hand", 0, name=name, line=3, refused=True), said)
        for name, said in (
            ("shared_bufers", "line 3 of postgresql.auto.conf (shared_bufers) is refused"),
            ("", "line 3 of postgresql.auto.conf (it cannot be read) is refused"),
        )
    ),
    ("database-overrides", _override("", "", "work_mem=1GB"), "every role has work_mem=1GB"),
    (
        "database-overrides",
        _override("", "school_monitoring", "statement_timeout=1ms"),
        "school_monitoring has statement_timeout=1ms instead of 5s",
    ),
    (
        "database-overrides",
        _override("school", "school_app", "statement_timeout=0"),
        "school_app in the database school has statement_timeout=0",
    ),
    ("tables-safe", _table("is unlogged", "ALTER TABLE public.students SET LOGGED"), "public.students is unlogged"),
    *(
        ("tables-safe", _table(problem, "ALTER TABLE public.students"), f"public.students {problem}")
        for problem in (
            "is hardly ever cleaned: autovacuum_vacuum_threshold=1000000",
            "has triggers that only a replica fires, a",
            "has the rule a, which takes the place of every INSERT",
            "shows the application no row and takes none",
        )
    ),
    (
        "tables-safe",
        _table(
            "has the constraint a, which was never proven",
            "ALTER TABLE public.students VALIDATE CONSTRAINT a",
            "unproven",
        ),
        "public.students has the constraint a",
    ),
    ("tables-safe", _table("is gone", "", "drifted"), "public.students is gone"),
    (
        "tables-safe",
        _table("has lost its index CREATE INDEX ON public.students (name)", "DROP INDEX", "drifted"),
        "public.students has lost its index",
    ),
    ("tables-safe", _table("lies in the tablespace fast", "ALTER TABLE"), "students lies in the tablespace fast"),
    ("tables-safe", _seen("database", extensions=[]), "the database has lost the extension pg_stat_statements"),
    ("tables-safe", _seen("database", kept=False), "schema.json does not know the last migration"),
    ("migrations", _seen("database", migrations=None), "the ledger _prisma_migrations is gone"),
    ("migrations", _migration(""), "20260301_seats, begun 2026-11-29 02:00:00+00, has failed"),
    (
        "migrations",
        _held(False),
        "pid 7 (role school_owner, application psql, since 2026-11-29 02:00:00+00) holds Prisma's lock 72707369",
    ),
    ("migrations", _held(True, "20260301_seats"), "is at work on 20260301_seats"),
    ("migrations", _both(_held(False), _migration("")), "does nothing, so that no other migration can begin; the migr"),
    (
        "indexes",
        _seen("database", invalid_indexes=[{"name": "public.one", "fix": "REINDEX INDEX CONCURRENTLY public.one"}]),
        "public.one is INVALID",
    ),
    ("database-roles", _role("school_app", login=False), "school_app may not log in"),
    ("database-roles", _barred("school_app"), "school_app may not use the schema public"),
    ("database-roles", _barred("school_monitoring"), "school_monitoring may not use the schema public"),
    (
        "database-roles",
        _seen("database", strange_owners=[{"name": "public.students", "owner": "postgres", "fix": OWNER}]),
        "public.students belongs to postgres, not to school_owner",
    ),
    ("pool-settings", _seen("pool", users=["school_app", "evil"]), "evil may use the pool"),
    ("cache-users", _seen("cache", "users", evil=["on", "nopass"]), "the user evil of users.acl is not the stack's"),
    (
        "cache-users",
        _seen("cache", "users", app=["on", "+@all", "nopass"]),
        "the user app of users.acl needs no password",
    ),
    ("cache-users", _seen("cache", "users", app=["on", "+@all", "-@admin"]), "lacks -@dangerous -flushall"),
    ("cache-users", _seen("cache", "users", default=["on"]), "the user default of users.acl is not off"),
    ("directories", _seen("host", open=["/opt/school/a can be written by everybody (0666)"]), "written by everybody"),
    ("directories", _seen("host", in_memory=["/opt/school/backup"]), "lies in memory, hides what the disk has there"),
    ("directories", _seen("host", not_owned=["/opt/school/a"]), "chown -R 1001:1001 /opt/school/a"),
    ("secret-files", _seen("host", open=["/opt/school/b is open to everybody (0755)"]), "is open to everybody"),
    ("timers", _drop_in("timer"), "/etc/systemd/system/school-backup-incr.timer.d/x.conf overrides it"),
    ("timers", _drop_in("service"), "/etc/systemd/system/school-backup-incr.service.d/x.conf overrides it"),
    ("failed-units", _seen("host", journal="inactive"), "systemd-journald does not run"),
    (
        "logins",
        _seen("logins", sudo=[{"who": "evil", "path": "/etc/sudoers.d/evil", "free": True}]),
        "evil becomes the administrator without a password",
    ),
    (
        "logins",
        _seen("logins", sudo=[{"who": "evil", "path": "/etc/sudoers.d/evil", "free": False}]),
        "evil becomes the administrator with a password",
    ),
    ("engine-access", _seen("access", arguments=["-H", "tcp://0.0.0.0:2375"]), "it listens on the network"),
    (
        "engine-settings",
        _seen(
            "access", arguments=["-H", "fd://", "--containerd", "/run/containerd/containerd.sock", "--ip-masq=false"]
        ),
        "dockerd is started with --ip-masq=false: take it out",
    ),
    (
        "engine-settings",
        _seen("engine", "swarm", "Orchestration", TaskHistoryRetentionLimit=99),
        "the swarm has Orchestration.TaskHistoryRetentionLimit: 99, not Orchestration.TaskHistoryRetentionLimit: 5",
    ),
    ("logins", _seen("logins", roots=["root", "evil"]), "evil is the administrator as well"),
    ("logins", _seen("logins", open=["evil"]), "evil needs no password"),
    ("logins", _entry(allowusers=["teacher"]), "sshd will not let root in any more once it is reloaded or the host"),
    ("logins", _entry(permitrootlogin=["no"]), "by PermitRootLogin (/etc/ssh/sshd_config.d/x.conf:3): sed -i '3s/"),
    ("logins", _entry(pubkeyauthentication=["no"]), "by PubkeyAuthentication (/etc/ssh/sshd_config.d/x.conf:7): sed"),
    ("logins", _seen("logins", "entry", listens=["[::]:2222"]), "by Port: take the line out that grep -rni Port"),
    ("logins", _seen("logins", "entry", error="line 4: Bad option"), "see sshd -t: line 4: Bad option"),
    (
        "logins",
        _both(_entry(denyusers=["root"]), _seen("logins", unread=["/etc/ssh/sshd_config"])),
        "said before it was changed: do not restart it before it would let root in",
    ),
    (
        "logins",
        _both(_entry(denyusers=["root"]), _seen("logins", passwords=["admin"])),
        "admin can sign in over ssh by a password",
    ),
    ("logins", _seen("logins", ending={"root": 3}), "root cannot sign in any more in 3 days, not by a key either"),
    ("logins", _seen("logins", ending={"root": 20}), "root cannot sign in any more in 20 days, not by a key either"),
    ("logins", _seen("logins", ending={"root": -3}), "root cannot sign in, not by a key either"),
    ("logins", _seen("logins", roots=["root", "evil"], raised=["/usr/bin/perl"]), "/usr/bin/perl has the"),
    ("logins", _seen("logins", preload=["/x.so of /etc/ld.so.preload"]), "/x.so of /etc/ld.so.preload is loaded into"),
    ("logins", _seen("logins", "ssh", "root", permitemptypasswords="yes"), "sshd takes empty passwords, for root"),
    (
        "logins",
        _seen("logins", "ssh", "root", authorizedkeyscommand="/opt/evil %u"),
        "sshd opens root also by AuthorizedKeysCommand /opt/evil",
    ),
    ("logins", _seen("logins", "ssh", "admin", trustedusercakeys="/tmp/ca"), "admin also by TrustedUserCAKeys /tmp/ca"),
    (
        "logins",
        _seen("logins", "ssh", "root", authorizedkeysfile=".ssh/authorized_keys /tmp/keys"),
        "sshd opens root also by AuthorizedKeysFile /tmp/keys",
    ),
    ("logins", _seen("logins", passwords=["admin"]), "admin can sign in over ssh by a password"),
    (
        "scheduled-jobs",
        _seen("jobs", strange=["/etc/cron.d/evil"]),
        "/etc/cron.d/evil is of no package and not of the stack",
    ),
    (
        "configuration-files",
        _seen(service_secrets=["the secret env of school_app"]),
        "the secret env of school_app is not what the inventory has",
    ),
    ("scheduled-jobs", _seen("jobs", strange=["/etc/cron.d/school-evil"]), "school-evil has a name of the stack's"),
    ("scheduled-jobs", _seen("jobs", strange=["/root/.ssh/rc"], edited=["/etc/cron.d/a"]), "/root/.ssh/rc is of no"),
    ("logins", _seen("logins", unread=["/etc/ssh/sshd_config"]), "sshd goes by what /etc/ssh/sshd_config said before"),
    ("logins", _seen("logins", "ssh", "root", permitrootlogin="yes"), "root can sign in over ssh by a password"),
    (
        "logins",
        _seen("logins", "ssh", **{"root with Address 10.0.0.0/8": {**sshd(), "permitrootlogin": "yes"}}),
        "root with Address 10.0.0.0/8 can sign in over ssh by a password",
    ),
    ("logins", _seen("logins", "ssh", "root", error="line 3: Bad option"), "see sshd -t: line 3: Bad option"),
    ("logins", _seen("logins", "decisive", "/etc/shadow", mode=0o644), "mode 0644: chmod 0640 /etc/shadow"),
    (
        "logins",
        _seen("logins", "decisive", "/usr/local/sbin/school-backup", mode=0o777),
        "school-backup has mode 0777: chmod 0755 /usr/local/sbin/school-backup",
    ),
    ("logins", _seen("logins", "decisive", "/etc/shadow", uid=1000), "belongs to user 1000: chown root /etc/shadow"),
    ("logins", _key(account="root"), "the key SHA256:two evil opens root"),
    ("logins", _key(account="www-data"), "the key SHA256:two evil opens www-data"),
    (
        "logins",
        _both(_key(account="root"), lambda _s, e: e.update(known_keys=["SHA256:one"])),
        "the key SHA256:two evil opens root",
    ),
    ("logins", _seen("logins", members=[{"who": "evil", "group": "disk"}]), "evil belongs to the group disk"),
    ("scheduled-jobs", _seen("jobs", edited=["/etc/crontab"]), "/etc/crontab is not as its package brought it"),
    ("security-updates", _seen("updates", held=["openssl"]), "openssl is held"),
    ("security-updates", _seen("updates", passed_over=[".*"]), ".* is passed over"),
    ("security-updates", _seen("updates", suites=["trixie"]), "no source of security updates"),
    ("alerts-firing", _alert("warning"), "CacheDown fires"),
    (
        "programs",
        _seen("programs", commands={"school-backup": ["/usr/local/sbin/school-backup is not as it was installed"]}),
        "/usr/local/sbin/school-backup is not as it was installed",
    ),
    (
        "programs",
        _seen("programs", commands={"school-night": [f"/usr/local/lib/{number} is missing" for number in range(5)]}),
        "/usr/local/lib/0 is missing and 4 more of the same command",
    ),
    (
        "programs",
        _seen("programs", hiding=["/usr/local/sbin/nft"]),
        "the place of the package's: rm /usr/local/sbin/nft",
    ),
    ("timers", _seen("host", boot_target="rescue.target"), "would start as rescue.target: systemctl set-default"),
    ("timers", _seen("host", unlisted=["/opt/school"]), "nothing mounts /opt/school at the next start: "),
    ("timers", _seen("host", unmounted=["/srv/uploads"]), "/srv/uploads is in /etc/fstab and not mounted: mount /srv"),
    ("disk-space", _seen("host", damaged=["the array md0 lacks a disk: [U_]"]), "md0 lacks a disk: [U_]: see that a"),
    (
        "kernel",
        _seen("host", replaced_modules=["vxlan: /bin/false"]),
        "not load what containers need, vxlan: /bin",
    ),
    ("log-rotation", _seen("host", journal_settings={"Storage": ("none", "/x.conf")}), "Storage=none in /x.conf keeps"),
    ("log-rotation", _seen("host", journal_settings={"MaxLevelStore": ("emerg", "/x")}), "MaxLevelStore=emerg in /x"),
    ("timers", _seen("host", lost_disks=["/dev/sdx"]), "the next start waits for /dev/sdx, which is not there"),
    (
        "kernel",
        _both(
            _seen("host", "forwarding", **{"net.ipv6.conf.all.forwarding": "0"}),
            lambda _s, e: e["docker"].update(settings={**e["docker"]["settings"], "ip6tables": True}),
        ),
        "sysctl --write net.ipv6.conf.all.forwarding=1",
    ),
    (
        "programs",
        _seen("programs", hiding_libraries=["/usr/local/lib/libz.so.1"]),
        "package's library in every program: rm /usr/local/lib/libz.so.1, then ldconfig",
    ),
    ("programs", _seen("programs", authorities=0), "trusts no authority of certificates: update-ca-certificates"),
    ("programs", _seen("programs", missing=["nftables"]), "the package nftables is not installed"),
    (
        "programs",
        _seen("programs", altered=[{"path": "/usr/sbin/dockerd", "package": "docker.io"}]),
        "/usr/sbin/dockerd is not as the package docker.io brought it",
    ),
    ("secrets-vault", _seen("vault", clear=[{"path": "a.yml", "secret": "x"}]), "a.yml says x in clear: ansible-vault"),
    ("secrets-vault", _seen("vault", "password", open=True), "others may read .vault_password"),
    ("secrets-vault", _seen("vault", "password", tracked=True), ".vault_password, the vault's password, is in git"),
    ("recovery-documents", _seen("documents", changed=["a.md"]), "a.md is not the page of this version: git checkout"),
    (
        "recovery-documents",
        _seen("documents", "pages", **{"README.md": "[a host](lost-host.md)"}),
        "lost-host.md is missing",
    ),
    ("services-healthy", _expect("monitoring", images={"node_exporter": "x"}), "there is no service node_exporter"),
    ("services-healthy", _gone("engine", "services", "autoscaler"), "there is no service autoscaler"),
    (
        "services-as-deployed",
        lambda seen, _e: seen["engine"]["services"].update(evil={**seen["engine"]["services"]["app"], "deployed": ""}),
        "evil was not made by the collection: docker service rm school_evil",
    ),
    (
        "networks",
        _stranger(exposed=[8088]),
        "stranger is not the stack's and publishes 8088: docker rm --force stranger",
    ),
    (
        "networks",
        _stranger(networks=["school_data"], service_name="evil"),
        "in the network school_data: docker service rm evil",
    ),
    ("foreign-containers", _seen("engine", other_services={"idle": []}), "the service idle is not of the stack"),
    ("networks", _seen("engine", other_services={"evil": [7777]}), "the service evil publishes 7777 and is not"),
    (
        "networks",
        _container(networks=["school_edge"]),
        "was taken out of the network school_data: docker service update --force school_app",
    ),
    ("foreign-containers", _stranger(name="school-backup-evil", cap_drop=[]), "not of the stack: school-backup-evil"),
    ("foreign-containers", _stranger(name="school-drill-1", image="alpine:3"), "not of the stack: school-drill-1"),
    ("capabilities", _container(confined="docker-default (complain)"), "it is docker-default (complain): echo -n"),
    (
        "log-rotation",
        _seen("host", journal_later={"/etc/systemd/journald.conf.d/z.conf": "[Journal]\nSystemMaxUse=50G\n"}),
        "/etc/systemd/journald.conf.d/z.conf sets SystemMaxUse=50G after the stack's own file",
    ),
    ("kernel", _seen("host", "forwarding", **{"net.ipv4.ip_forward": "0"}), "sysctl --write net.ipv4.ip_forward=1"),
    ("directories", _seen("host", open=["/opt/x can be written by everybody (0666)"]), "(0666): chmod o-w /opt/x"),
    ("directories", _seen("host", "configuration", NGINX, uid=1002), "belongs to user 1002, who may change it: chown"),
    ("timers", _both(*(_unit_off(name) for name in ("ssh.service", "ssh.socket"))), "nobody can sign in over ssh"),
    (
        "security-updates",
        _seen("updates", "timers", **{"apt-daily.service": {"UnitFileState": "masked"}}),
        "apt-daily.service cannot be started, it is masked: systemctl unmask apt-daily.service",
    ),
    (
        "security-updates",
        _seen("updates", unsigned=["/etc/apt/sources.list.d/x"]),
        "taken without a signature: /etc/apt",
    ),
    ("security-updates", _seen("updates", unresolved=["deb.debian.org"]), "the host cannot find deb.debian.org"),
    ("security-updates", _seen("updates", reboots=True), "updates start the host anew by themselves"),
    (
        "security-updates",
        _seen("updates", options=[*_DAILY, 'APT::Periodic::Enable "0";']),
        "APT::Periodic::Enable is 0, so that nothing is updated by itself",
    ),
    (
        "security-updates",
        _seen("updates", refused="E: Unmet dependencies. (evil : Depends: nothing)"),
        "apt installs nothing any more: E: Unmet dependencies. (evil : Depends: nothing)",
    ),
    (
        "security-updates",
        _seen("updates", audit=["The following packages are only half configured", " evil     x", ""]),
        "evil is not wholly installed (dpkg --audit)",
    ),
    (
        "security-updates",
        lambda seen, _e: seen["updates"]["releases"].append(release(codename="sid", release="sid")),
        "sid of http://deb.debian.org/debian is among the sources (/etc/apt/sources.list.d/x.list:1), and an upgrade",
    ),
    ("security-updates", _seen("updates", pinned=["/etc/apt/preferences.d/x"]), "never installed, by /etc/apt/pref"),
    (
        "logins",
        _seen("logins", permitting=[{"path": "/etc/pam.d/su", "line": "sufficient pam_permit.so"}]),
        "/etc/pam.d/su lets everybody in (sufficient pam_permit.so): take that line out",
    ),
    (
        "logins",
        _seen("logins", "ssh", "root", hostbasedauthentication="yes"),
        "another host's word for who is root (Host",
    ),
    (
        "logins",
        _seen("logins", "decisive", "/etc/shadow", given={"user:1000": 4}),
        "/etc/shadow gives user:1000 rights by an access control list: setfacl --remove-all /etc/shadow",
    ),
    (
        "secret-files",
        _seen("host", "files", "/opt/school/pki/ca.key", given={"group:1000": 4}),
        "ca.key gives group:1000 rights by an access control list: setfacl --remove-all /opt/school/pki/ca.key",
    ),
    (
        "kernel",
        _seen("host", helpers={"kernel.core_pattern": "/tmp/x"}),
        "(kernel.core_pattern=/tmp/x): sysctl --write",
    ),
    ("timers", _unit_off("logrotate.timer"), "logrotate.timer will not start with the host, it is disabled: systemctl"),
    (
        "timers",
        _seen("host", manager_settings={"DefaultTimeoutStopSec": ("1s", "/etc/systemd/system.conf.d/x.conf")}),
        "killed 1s after they are asked to stop, the database among them: take DefaultTimeoutStopSec out of /etc",
    ),
    (
        "logins",
        _seen("logins", executing=[{"path": "/etc/pam.d/common-auth", "line": "pam_exec.so expose_authtok /x"}]),
        "/etc/pam.d/common-auth gives the passwords of who signs in to a program (pam_exec.so expose_authtok /x): take",
    ),
    (
        "logins",
        _seen("logins", "ssh", "root", permitrootlogin="yes", passwordauthentication="no", **_KEYBOARD),
        "root can sign in over ssh by a password that may be guessed (KbdInteractiveAuthentication): printf",
    ),
    (
        "logins",
        _both(
            _seen("logins", passwords=["admin"]),
            _seen("logins", "ssh", "admin", passwordauthentication="no", **_KEYBOARD),
        ),
        "admin can sign in over ssh by a password",
    ),
    ("logins", _seen("logins", raised=["/usr/bin/find"]), "/usr/bin/find has the administrator's powers"),
    ("logins", _seen("logins", raised_elsewhere=["/tmp/sh"]), "/tmp/sh has the administrator's powers, whoever starts"),
    ("logins", _seen("logins", containers=[]), "there is no user firstbell (1001): make site"),
    (
        "logins",
        lambda seen, _e: seen["logins"]["containers"].append({"name": "twin", "shell": "/bin/bash"}),
        "twin has the user number 1001 of the containers, and so all their data: userdel twin",
    ),
    ("logins", _seen("logins", "containers", 0, shell="/bin/bash"), "usermod --shell /usr/sbin/nologin firstbell"),
    (
        "logins",
        _seen("logins", "decisive", **{"/etc/docker/daemon.json": {"mode": 0o666, "uid": 0, "gid": 0}}),
        "/etc/docker/daemon.json has mode 0666: chmod 0644 /etc/docker/daemon.json",
    ),
    (
        "logins",
        _seen("logins", "decisive", **{"/etc/ssh/ssh_host_rsa_key": {"mode": 0o644, "uid": 0, "gid": 0}}),
        "ssh_host_rsa_key has mode 0644: chmod 0600",
    ),
    ("firewall-rules", _rules("table inet evil {\n}\n"), "inet evil is a table of its own"),
    ("firewall-rules", _seen("firewall", ruleset="table inet firstbell {\n}\n"), "rules are gone: ip filter FORWARD"),
    ("firewall-rules", _seen("firewall", live="", ruleset=""), "rules are gone: ip filter FORWARD"),
    (
        "firewall-rules",
        lambda seen, _e: seen["firewall"].update(ruleset=seen["firewall"]["ruleset"].replace("dport 8443 counter", "")),
        "the engine's own rules are gone: ip filter DOCKER (port 443)",
    ),
    (
        "firewall-rules",
        _seen("firewall", hindered=["qdisc netem 8001: dev eth0 root delay 9ms"]),
        "tc qdisc del dev eth0",
    ),
    ("firewall-rules", _seen("firewall", nowhere=["blackhole 10.9.0.0/16 "]), "the route blackhole 10.9.0.0/16"),
    ("failover-drill", _last("failover_drill", measured={"services_left_out": 12}), "tried only a part"),
    *(
        (name, _rehearsed_since(NOW - 60), "could not make it")
        for name in ("failover-drill", "alert-drill", "load-test", "restore-drill")
    ),
    *((name, _last(kind, passed=False, findings=["app: 9 s"]), "app: 9 s") for name, kind in DRILLS.items()),
    *((name, _last(kind, passed=False), "does not say why") for name, kind in DRILLS.items()),
    *((name, _last(kind, time=NOW - 200 * DAY), "the last one was") for name, kind in DRILLS.items()),
    *((name, _last(kind, time=NOW + DAY), "24h ahead") for name, kind in DRILLS.items()),
    *((name, _last(kind, problem="it cannot be read"), "cannot be read") for name, kind in DRILLS.items()),
]

NOT_APPLICABLE: list[tuple[str, Break, str]] = [
    ("autoscaler-decides", _expect("autoscaler", enabled=False), "firstbell_autoscaling is false"),
    ("balancer", _seen(balancer=[]), "no HAProxy of the stack runs on this host"),
    ("autoscaler-calendar", _expect("autoscaler", enabled=False), "firstbell_autoscaling is false"),
    ("night-work", _expect("night_work", enabled=False), "night_work_enabled is false"),
    ("night-work", _seen("scaling", night={}, night_since=NOW - DAY), "the first night is to come"),
    ("clock", _seen("host", "clock", container="docker"), "a container"),
    ("swap", _seen("host", "clock", container="docker"), "a container"),
    ("migrations", _seen("database", migrations=None, known=[]), "no ledger of Prisma"),
    ("migrations", _both(_seen("database", migrations=None), _expect("app", migrations="job")), "no ledger of Prisma"),
    ("disk-kind", _seen("host", rotational=None), "does not say"),
    ("domain", _expect("edge", domain="school.test"), "a name for tests"),
    ("backup-dump", _seen("backups", dumps=[], since=NOW - 3600), "due within a day"),
    (
        "restore-drill",
        lambda seen, _e: (seen["backups"].update(since=NOW - 3600), seen["backups"]["records"].pop("drill")),
        "due within a day",
    ),
    ("backup-files", _expect("backup", components=[]), "switched off"),
    (
        "off-site",
        lambda seen, e: (seen["backups"]["info"]["repositories"].pop(), e["backup"].update(s3=False)),
        "no store",
    ),
    ("static-cache", _seen("site", asset=""), "no static file"),
    (
        "compression",
        lambda seen, _e: [a.update(bytes=10) for a in (seen["site"]["page"], *seen["site"]["static"])],
        "large",
    ),
    ("rate-limit", _expect("edge", sign_in_path=""), "no path"),
    ("rate-limit", _seen("limit", limited=False, passed=20, seconds=12.0), "too slow"),
    (
        "rate-limit",
        lambda seen, e: (seen["limit"].update(passed=300), e["edge"].update(shared_networks=["192.0.2.0/24"])),
        "other limits",
    ),
    ("tls-protocols", _seen("tls", "old", TLSv1={"refused": "no protocols available"}), "cannot speak TLSv1"),
    ("redirect", no_edge, "switched off"),
    ("open-ports", _seen("scan", "192.0.2.7", own=True), "this controller is the host itself"),
    ("alert-rules", _expect("monitoring", enabled=False), "firstbell_monitoring is false"),
    ("alert-drill", _expect("monitoring", enabled=False), "switched off"),
    *((name, _gone("records", "kept", kind), "none yet; make one") for name, kind in DRILLS.items()),
    ("log-shipping", _expect("logs", enabled=False), "logs_server is not set"),
]
