# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack on which every check passes, as its gatherers see it: each test breaks one thing of it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core import engine_config, swarm_cluster, sysctls
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import Facts, run
from ansible_collections.firstbell.stack.plugins.module_utils._core.records import KINDS
from ansible_collections.firstbell.stack.plugins.module_utils._core.sizing import sizing
from ansible_collections.firstbell.stack.plugins.module_utils._core.units import parse_duration

NOW = 1_795_400_000.0
SECOND, DAY = 1_000_000_000, 86400
SERVICES = ("postgres", "pgbouncer", "redis", "app", "nginx", "haproxy")
NETWORKS = {
    "postgres": ["database"],
    "pgbouncer": ["data", "database"],
    "redis": ["data"],
    "app": ["edge", "data"],
    "nginx": ["edge"],
    "haproxy": ["edge"],
}
DAEMON = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}, "no-new-privileges": True}
RULES_FILE = "/opt/school/monitoring/prometheus/rules.yml"
RULES = [{"port": 22, "source": "any"}, {"port": 80}, {"port": 443}, {"port": 2377, "source": "peers"}]
NFT = {"written": "table {\n a\n b\n}\n", "file": "table {\n a\n b\n}\n"}
RULESET = """\
table inet firstbell { # handle 1
	chain input { # handle 1
		type filter hook input priority filter; policy drop;
		ct state established,related accept # handle 5
	}
}
table ip filter { # handle 2
	chain DOCKER { # handle 21
		ip daddr 10.9.0.3 iifname != "docker_gwbridge" oifname "docker_gwbridge" tcp dport 8080 counter accept
		ip daddr 10.9.0.3 iifname != "docker_gwbridge" oifname "docker_gwbridge" tcp dport 8443 counter accept
	}

	chain DOCKER-ISOLATION-STAGE-1 { # handle 22
		iifname "docker_gwbridge" oifname != "docker_gwbridge" counter jump DOCKER-ISOLATION-STAGE-2 # handle 38
		counter return # handle 20
	}

	chain DOCKER-ISOLATION-STAGE-2 { # handle 23
		oifname "docker_gwbridge" counter drop # handle 39
		counter return # handle 21
	}

	chain DOCKER-USER { # handle 1
		counter return # handle 2
	}

	chain FORWARD { # handle 3
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER # handle 4
		counter jump DOCKER-ISOLATION-STAGE-1 # handle 37
		oifname "docker_gwbridge" ct state related,established counter accept # handle 5
		oifname "docker_gwbridge" counter jump DOCKER # handle 35
		iifname "docker_gwbridge" oifname != "docker_gwbridge" counter accept # handle 34
		iifname "docker_gwbridge" oifname "docker_gwbridge" counter drop # handle 6
	}

	chain INPUT { # handle 7
		type filter hook input priority filter; policy accept;
	}
}
table ip nat { # handle 3
	chain DOCKER { # handle 1
		iifname "docker_gwbridge" counter return # handle 2
		iifname != "docker_gwbridge" tcp dport 80 counter dnat to 10.9.0.3:8080 # handle 3
		iifname != "docker_gwbridge" tcp dport 443 counter dnat to 10.9.0.3:8443 # handle 4
	}

	chain POSTROUTING { # handle 5
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "docker_gwbridge" ip saddr 10.201.255.0/24 counter masquerade # handle 6
	}

	chain PREROUTING { # handle 7
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump DOCKER # handle 8
	}
}
"""
SYSCTLS = {"net.core.somaxconn": "65535", "net.netfilter.nf_conntrack_max": "262144"}
BACKUP = {"stack": "school", "postgres": {"dumps_kept": 7, "schedule": ["school-backup-incr.timer"]}}
TIMERS = ["school-backup-incr.timer", "firstbell-image-cleanup.timer"]
GATE = "school-autoscaler-gate.socket"
#: A unit that ends with the digest of what its service reads.
LISTING = "/etc/systemd/system/school-container-listing.service"
FILES = {
    "/opt/school/nginx/conf/nginx.conf": "one\ntwo\n",
    "/opt/school/haproxy/haproxy.cfg": "global\n    maxconn 4096\n\n    default-server slowstart 1s maxconn 200\n"
    "    server-template replica- 2 app:3000 resolvers engine\n    server any app-any:3000 no-check backup\n",
    RULES_FILE: "groups:\n",
    f"/etc/systemd/system/{GATE}": "[Socket]\n\n[Install]\nWantedBy=sockets.target\n",
    LISTING: "[Service]\nRestart=always\n",
}


def _engine(plan: dict[str, Any]) -> dict[str, Any]:
    services, containers = {}, []
    for name in SERVICES:
        limits, reservations = (plan["services"][name][kind] for kind in ("limits", "reservations"))
        health = plan["health"].get(name, {"interval": "10s", "timeout": "5s", "start_period": "30s", "retries": 3})
        services[name] = {
            "values": {
                "image": f"firstbell/{name}:0123456789ab",
                "replicas": plan["app"]["replicas"] if name == "app" else 1,
                "env": {"NODE_OPTIONS": "--max-old-space-size=480", "TZ": "Etc/UTC"} if name == "app" else {},
                "networks": [{"name": f"school_{network}"} for network in NETWORKS[name]],
                "constraints": ["node.hostname == bell1"],
                "publish": [{"published": 443}] if name == "nginx" else [],
                "limits": {**limits, "cpus": round(limits["cpus"] * SECOND)},
                "reservations": {
                    "cpus": round(reservations["cpus"] * SECOND),
                    "memory": reservations["memory"],
                },
                "health": {
                    "test": ["CMD", "check"],
                    **{
                        key: round(parse_duration(health[key]) * SECOND)
                        for key in ("interval", "timeout", "start_period")
                    },
                    "retries": health["retries"],
                },
            },
            "addresses": ["10.202.1.2", "10.202.2.2"],
            "deployed": f"digest of {name}",
            "digest": f"digest of {name}",
            "changed": [],
            "update": "completed",
            "running": plan["app"]["replicas"] if name == "app" else 1,
            "failed": [{"error": "task: non-zero exit (1)", "at": "2026-11-22T02:00:00.123456789Z", "slot": 1}],
        }
        containers.append(
            {
                "id": f"c{name}",
                "name": f"school_{name}.1.abc",
                "service": name,
                "service_name": f"school_{name}",
                "image": f"firstbell/{name}:0123456789ab",
                "image_id": f"sha256:{name}",
                "user": "1001:1001",
                "read_only": True,
                "cap_add": [],
                "cap_drop": ["ALL"],
                "privileged": False,
                "shares": [],
                "memory": limits["memory"],
                "cpus": round(limits["cpus"] * SECOND),
                "pids": limits["pids"],
                "paused": False,
                "health": "healthy",
                "by_hand": [],
                "memory_in_force": limits["memory"],
                "memory_swap": 2 * limits["memory"],
                "cpus_in_force": round(limits["cpus"] * SECOND),
                "pids_in_force": limits["pids"],
                "security": [],
                "apparmor": "docker-default",
                "confined": "docker-default (enforce)",
                "restart": "no",
                "started": NOW - DAY,
                "oom_killed": False,
                "kills": 0,
                "mounts": ["/opt/school/run"],
                "log_driver": "json-file",
                "log_options": {"max-size": "10m", "max-file": "3"},
                "log_bytes": 1000,
                "uids": ["1001"],
                "networks": [f"school_{network}" for network in NETWORKS[name]],
                "published": [80, 443] if name == "nginx" else [],
                "exposed": [80, 443] if name == "nginx" else [],
                "process": {
                    "NoNewPrivs": "1",
                    "CapEff": "0000000000000000",
                    "Seccomp": "2",
                    "Uid": "1001\t1001\t1001\t1001",
                },
            }
        )
    services["autoscaler"] = {**services["redis"], "values": {**services["redis"]["values"]}}
    text = engine_config.render(DAEMON)
    found = {"file": text, "file_time": 1.0, "active": True, "start_time": 2.0, "reloaded": None, "reload_time": 0.0}
    return {
        "info": {
            "ServerVersion": "26.1.5",
            "LoggingDriver": "json-file",
            "SwapLimit": True,
            "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=no-new-privileges"],
        },
        "services": services,
        "containers": containers,
        "stopped": [],
        "networks": {
            "school_edge": {"internal": False, "driver": "overlay"},
            "school_data": {"internal": True, "driver": "overlay"},
            "school_database": {"internal": True, "driver": "overlay"},
        },
        "images": {
            f"sha256:{name}": {
                "tags": [f"firstbell/{name}:0123456789ab"],
                "created": NOW - 3 * DAY,
                "version": "0123456789ab",
            }
            for name in SERVICES
        },
        "daemon": {"found": found},
        "nodes": [
            {"id": "n1", "name": "bell1", "availability": "active", "role": "manager", "state": "ready"},
            {"id": "n2", "name": "bell2", "availability": "active", "role": "worker", "state": "ready"},
        ],
        "here": {"id": "n1", "name": "bell1"},
        "other_services": {},
        "swarm": swarm_cluster.spec(swarm_cluster.Settings("school", 5, 5.0, 7776000.0)),
        "secrets": [{"name": "school_app_env_1", "created": "2026-10-01T00:00:00.1Z"}],
    }


def _balancer() -> list[dict[str, Any]]:
    """One replica, a slot that waits for another, and who is asked when nobody is fit."""
    states = {"app/replica-1": 0, "app/replica-2": 32, "app/any": 0}
    return [
        {
            "server": name,
            "administration": state,
            "weight": 1,
            "planned_weight": 1,
            "check": 0 if name == "app/any" else 6,
            "address": "-" if state else "10.202.1.2",
            "leads": "app-any:3000" if name == "app/any" else "app:3000",
        }
        for name, state in states.items()
    ]


def _doors() -> dict[str, Any]:
    return {
        "doors": {"site": "OPEN", "metrics": "OPEN"},
        "rates": {"ConnRateLimit": 0},
        "most": {"all doors": 4096, "site": 4096},
        "most_of_servers": {"app/replica-1": 200},
        "refused": [],
    }


def _setting(value: object) -> dict[str, Any]:
    return {"value": str(value), "wanted": str(value), "in_force": True, "source": "configuration file"}


def _data(plan: dict[str, Any]) -> dict[str, Any]:
    settings, pool = plan["postgres"]["settings"], plan["pgbouncer"]["settings"]
    return {
        "settings": {"findings": [], "settings": {name: _setting(value) for name, value in settings.items()}},
        "database": {
            "version": "17.6",
            "recovering": False,
            "data_checksums": "on",
            "ssl": "on",
            "max_connections": settings["max_connections"],
            "reserved": 3,
            "connections": 6,
            "open": [],
            "orders": [],
            "unencrypted": 0,
            "oldest_transaction": 1000,
            "oldest_multixact": 10,
            "connection_limit": -1,
            "damaged_pages": "",
            "roles": [
                _role("postgres", superuser=True, without_password=True, scram=False),
                _role("school_owner"),
                _role("school_monitoring", connections=3),
                _role("school_app", settings=["statement_timeout=30s", "lock_timeout=10s"]),
            ],
            "hba": [
                _rule(1, "local", "postgres", "peer"),
                _rule(2, "hostssl", "all", "scram-sha-256"),
                _rule(3, "host", "all", "reject"),
            ],
            "extensions": ["pg_stat_statements"],
            "statements": 100,
            "app_creates": False,
            "overrides": [
                {"database": "", "role": "school_app", "settings": ["statement_timeout=30s", "lock_timeout=10s"]},
                {
                    "database": "",
                    "role": "school_monitoring",
                    "settings": ["statement_timeout=5s", "lock_timeout=500ms"],
                },
            ],
            "by_hand": [
                {"name": "restore_command", "setting": "pgbackrest", "line": 3, "refused": False},
                {"name": "work_mem", "setting": "1MB", "line": 4, "refused": False},
            ],
            "memberships": [{"granted": "pg_monitor", "member": "school_monitoring"}],
            "slots": [{"name": "standby", "active": True, "bytes": 0}],
            "languages": [],
            "weak_tables": [],
            "unproven": [],
            "invalid_indexes": [],
            "strange_owners": [],
            "migrations": {"applied": 12, "failed": [], "begun": [], "holders": []},
            "barred": [],
            "strangers": [],
            "drifted": [],
            "kept": True,
            "known": ["20260301_seats_before"],
            "schemas": [],
            "signals": [],
            "unread": [],
            "blockers": [],
            "sequences": [{"name": "s_id_seq", "table": "s", "most": 32767, "widest": 32767, "highest": 7, "next": 8}],
            "lost": [],
            "given": [],
        },
        "indexes": {
            "findings": [],
            "indexes": [{"name": "one", "index": "one", "action": "", "definition": '("studentId")'}],
        },
        "pool": {
            "CONFIG": [
                {"key": name, "value": str(value), "default": "", "changeable": "yes"} for name, value in pool.items()
            ],
            "POOLS": [
                {
                    "database": "school",
                    "user": "school_app",
                    "cl_active": "1",
                    "cl_waiting": "0",
                    "sv_active": "1",
                    "maxwait": "0",
                    "maxwait_us": "0",
                }
            ],
            "DATABASES": [
                {
                    "name": "school",
                    "host": "postgres",
                    "port": "5432",
                    "database": "school",
                    "force_user": "",
                    "pool_mode": "",
                    "pool_size": str(pool["default_pool_size"]),
                    "paused": "0",
                    "disabled": "0",
                },
                {"name": "pgbouncer", "host": "", "database": "pgbouncer", "pool_mode": "statement"},
            ],
            "users": ["school_app", "school_monitoring"],
        },
        "cache": {
            "info": {
                "maxmemory": str(plan["redis"]["settings"]["maxmemory"]),
                "maxmemory_policy": "volatile-lru",
                "aof_enabled": "1",
                "aof_last_write_status": "ok",
                "used_memory": "1000000",
                "evicted_keys": "0",
                "db0": "keys=12,expires=10,avg_ttl=1000",
            },
            "lost": [],
            "nobody": "NOAUTH Authentication required.",
            "app": {
                "CONFIG GET maxmemory": ["NOPERM User app has no permissions"],
                "KEYS firstbell-verify:*": ["NOPERM User app has no permissions"],
                "PING": ["PONG"],
            },
            "file": "".join(f"{name} {value}\n" for name, value in plan["redis"]["settings"].items()),
            "live": {name: str(value).strip('"') for name, value in plan["redis"]["settings"].items()},
            "users": _cache_users(),
            "live_users": {**_cache_users(), "default": ["off", "nopass"]},
        },
    }


def _cache_users() -> dict[str, list[str]]:
    return {
        "default": ["off"],
        "app": ["on", "~*", "+@all", "-@admin", "-@dangerous", "-flushall", "-flushdb", "-keys"],
        "backup": ["on", "-@all", "+bgsave", "+bgrewriteaof"],
    }


def _role(name: str, **more: Any) -> dict[str, Any]:
    ordinary = {"superuser": False, "powerful": False, "without_password": False, "scram": True, "settings": None}
    further = {"own_password": True, "connections": -1, "valid_until": "", "once": "", **more}
    return {"name": name, "login": True, **ordinary, **further}


def _rule(line: int, kind: str, role: str, method: str) -> dict[str, Any]:
    return {"line": line, "type": kind, "database": "all", "role": role, "address": "", "method": method, "error": ""}


def _unit(state: str = "active", **more: str) -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": state, "UnitFileState": "enabled", "Result": "success", **more}


def release(**values: str) -> dict[str, str]:
    """One of apt's sources."""
    debian = {"origin": "Debian", "codename": "trixie", "release": "trixie", "site": "http://deb.debian.org/debian"}
    return {**debian, "entry": "/etc/apt/sources.list.d/x.list:1", **values}


def sshd() -> dict[str, str]:
    return {
        "authenticationmethods": "any",
        "authorizedkeyscommand": "none",
        "hostbasedauthentication": "no",
        "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
        "kbdinteractiveauthentication": "no",
        "passwordauthentication": "yes",
        "permitemptypasswords": "no",
        "permitrootlogin": "without-password",
        "trustedusercakeys": "none",
        "usepam": "yes",
        "error": "",
    }


def _host() -> dict[str, Any]:
    gigabyte = 1 << 30
    return {
        "host": {
            "now": NOW,
            "disks": {
                path: {
                    "total": size * gigabyte,
                    "free": size * gigabyte // 2,
                    "inodes": 1000,
                    "inodes_free": 900,
                    "main": main,
                    "read_only": 0,
                }
                for path, size, main in (("/", 100, 1), ("/var/log", 1, 0))
            },
            "rotational": False,
            "memory": {"MemTotal": 4 * gigabyte, "MemAvailable": 2 * gigabyte, "SwapTotal": gigabyte},
            "cpus": 2,
            "directories": {"/opt/school": {"mode": 0o755, "uid": 1001, "gid": 1001}},
            "files": {
                "/opt/school/pki/ca.key": {"mode": 0o400, "uid": 0, "gid": 0},
                "/opt/school/redis/users.acl": {"mode": 0o400, "uid": 1001, "gid": 1001},
            },
            "kernel": {"net.core.somaxconn": "65535", "net.netfilter.nf_conntrack_max": None},
            "configuration": {"/opt/school/nginx/conf/nginx.conf": {"mode": 0o644, "uid": 1001, "gid": 1001}},
            "sysctls_file": sysctls.render({**SYSCTLS, "net/ipv6/conf/eth0/accept_ra": "2"}),
            "forwarding": {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"},
            "hostname": "bell1",
            "boot_hostname": "bell1.school.org",
            "boot_target": "graphical.target",
            "lost_disks": [],
            "unlisted": [],
            "unmounted": [],
            "damaged": [],
            "manager_settings": {"DefaultTimeoutStopSec": ("1min 30s", "/etc/systemd/system.conf.d/x.conf")},
            "helpers": {},
            "replaced_modules": [],
            "journal_settings": {"Storage": ("auto", "/etc/systemd/journald.conf"), "MaxLevelStore": ("", "/a.conf")},
            "journal_later": {"/etc/systemd/journald.conf.d/ours.conf": "[Journal]\nRateLimitBurst=0\n"},
            "sysctls_later": {"/usr/lib/sysctl.d/99-protect-links.conf": "# Links\nfs.protected_hardlinks = 1\n"},
            "not_owned": [],
            "barred": [],
            "temporary": {"/tmp": {"mode": 0o1777, "uid": 0, "gid": 0}, "/var/tmp": None},
            "in_memory": [],
            "clock": {"synchronised": True, "active": True, "timezone": "Etc/UTC", "container": ""},
            "open": [],
            "failed_units": [],
            "journal": "active",
            "listeners": [22, 80, 443],
        },
        "logs": {"active": "active", "connected": True, "waiting_bytes": 0},
        "units": {
            **{name: _unit(Triggers=name.replace(".timer", ".service")) for name in TIMERS},
            **{name.replace(".timer", ".service"): _unit("inactive") for name in TIMERS},
            **{name: _unit() for name in ("docker.service", "docker.socket", "logrotate.timer", GATE)},
        },
        "files": {
            **FILES,
            LISTING: f"{FILES[LISTING]}\n# {'0f' * 32}\n",
            "/opt/school/backup/backup.json": json.dumps(BACKUP),
        },
        "certificates": [],
        "left_over": [],
        "unread": [],
        "secret_files": {"/opt/school/redis/users.acl": ""},
        "service_secrets": [],
        "access": {
            "sockets": [{"path": "/var/run/docker.sock", "mode": 0o660, "uid": 0, "group": "docker", "members": []}],
            "context": "",
            "arguments": ["--containerd=/run/containerd/containerd.sock", "-H", "fd://", "$DOCKER_OPTS"],
        },
        "firewall": {
            "wanted": "table {\n a\n b\n}",
            "live": "table {\n a\n b\n}",
            "unit": _unit(),
            **NFT,
            "ruleset": RULESET,
            "hindered": [],
            "nowhere": [],
        },
        "programs": {
            "commands": {"school-backup": []},
            "missing": [],
            "altered": [],
            "hiding": [],
            "hiding_libraries": [],
            "authorities": 140,
        },
        "logins": {
            "roots": ["root"],
            "open": [],
            "passwords": [],
            "ssh": {"root": sshd(), "admin": sshd()},
            "unread": [],
            "as": "root",
            "keys": [{"account": "root", "key": "SHA256:one", "comment": "sandbox"}],
            "members": [{"who": "root", "group": "adm"}],
            "decisive": {
                "/etc/shadow": {"mode": 0o640, "uid": 0, "gid": 42},
                "/usr/local/sbin/school-backup": {"mode": 0o755, "uid": 0, "gid": 0},
            },
            "preload": [],
            "ending": {"root": 300},
            "entry": {
                "options": {name: [value] for name, value in sshd().items()},
                "error": "",
                "groups": ["root"],
                "keys": 1,
                "listens": ["[::]:22", "0.0.0.0:22"],
                "from": {"host": "192.0.2.7", "addr": "192.0.2.7", "laddr": "192.0.2.1", "lport": "22"},
                "lines": {},
            },
            "executing": [],
            "sudo": [],
            "containers": [{"name": "firstbell", "shell": "/usr/sbin/nologin"}],
            "permitting": [],
            "raised": [],
            "raised_elsewhere": [],
            "cut": [],
        },
        "jobs": {"strange": [], "edited": []},
        "updates": {
            "held": [],
            "passed_over": ["^docker"],
            "origins": ["origin=Debian,codename=${distro_codename}-security,label=Debian-Security"],
            "suites": ["trixie http://deb.debian.org/debian trixie", "trixie-security http://deb.debian.org/x trixie"],
            "releases": [release(), release(codename="trixie-security", release="trixie-security")],
            "codename": "trixie",
            "refused": "",
            "audit": [],
            "pinned": [],
            "reboots": False,
            "unsigned": [],
            "unresolved": [],
            "pending": [],
            "security": [],
            "listed": NOW - 3600,
            "timers": {"apt-daily.timer": _unit(), "apt-daily-upgrade.timer": _unit()},
            "installed": True,
            "options": ['APT::Periodic::Update-Package-Lists "1";', 'APT::Periodic::Unattended-Upgrade "1";'],
            "reboot": False,
        },
    }


def _custody() -> dict[str, Any]:
    backup = {"label": "20261123-020632F", "kind": "full", "repository": 1, "stop": NOW - 3600, "error": False}
    return {
        "backups": {
            "info": {
                "repositories": [
                    {"number": 1, "code": 0, "message": "ok", "cipher": "aes-256-cbc"},
                    {"number": 2, "code": 0, "message": "ok", "cipher": "aes-256-cbc"},
                ],
                "backups": [backup],
            },
            "check": {"code": 0, "out": "ok: the newest moment that can be restored is 45 s old\n"},
            "records": {
                "files-backup": {"ended": NOW - 600, "failures": [], "components": {"redis": {"files": 2, "size": 3}}},
                "drill": {"success": True, "ended": NOW - 7200, "recovery_point": 2.0, "recovery_time": 6.0},
            },
            "dumps": [NOW - 3600],
            "damaged_dumps": [],
            "since": NOW - 2 * DAY,
            "configuration": {"compress-type": "zst", "repo1-cipher-type": "aes-256-cbc"},
            "settings": {"postgres": {"retention_days": 30}},
        },
        "visible": [],
    }


def _answer(status: int = 200, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status": status, "headers": named, "cookies": [], "seconds": 0.05, "bytes": 5000}


def _outside() -> dict[str, Any]:
    page = _answer(
        strict_transport_security="max-age=63072000",
        x_content_type_options="nosniff",
        x_frame_options="SAMEORIGIN",
        server="nginx",
        content_encoding="gzip",
    )
    static = _answer(x_cache="HIT", cache_control="public, max-age=31536000, immutable", content_encoding="gzip")
    refused = {"refused": "tlsv1 alert protocol version"}
    taken = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "fingerprint": "00ff"}
    return {
        "address": "192.0.2.7",
        "own_addresses": ["192.0.2.7", "2001:db8::7"],
        "scan": {"192.0.2.7": {"open": [22, 80, 443], "tried": 1000, "own": False}},
        "tls": {
            "old": {"TLSv1": dict(refused), "TLSv1.1": dict(refused)},
            "new": {"TLSv1.2": dict(taken), "TLSv1.3": dict(taken)},
            "weak": dict(refused),
            "trusted": dict(taken),
            "ends": NOW + 300 * DAY,
            "names": ["school.org", "www.school.org"],
            "stranger": dict(refused),
            "disk": {"path": "/opt/school/nginx/certificate/site.pem", "fingerprint": "00ff", "problem": ""},
            "now": NOW,
        },
        "site": {
            "path": "/",
            "page": page,
            "again": dict(page),
            "plain": _answer(301, location="https://school.org/firstbell-verify"),
            "stranger": _answer(0),
            "private": _answer(404),
            "guarded": {"/prometheus": 401},
            "ready": _answer(200),
            "asset": "/_next/static/one.js",
            "static": [dict(static), static],
        },
        "names": {"addresses": ["192.0.2.7"], "error": "", "aliases": {"www.school.org": ["192.0.2.7"]}},
        "documents": {
            "pages": dict.fromkeys(("README.md", "a.md", "b.md"), "")
            | {"c.md": '"$stack-backup" check\nansible-playbook firstbell.stack.restore\nplaybooks/site.yml'},
            "playbooks": ["restore", "site"],
            "commands": ["check"],
            "changed": [],
        },
        "vault": {"clear": [], "password": {"path": ".vault_password", "open": False, "tracked": False}},
        "limit": {"limited": True, "passed": 22, "seconds": 0.5},
    }


def _records() -> dict[str, Any]:
    def one(kind: str, measured: dict[str, float]) -> dict[str, Any]:
        item = {"name": "one", "passed": True, "measured": measured, "finding": ""}
        record = {"kind": kind, "seconds": 9.5, "passed": True, "measured": measured, "targets": {}, "findings": []}
        return {**record, "at": "", "items": [item], "time": NOW - 3600, "problem": ""}

    return {
        "kept": {kind: [one(kind, {"missed_seconds": 4.5})] for kind in KINDS},
        "restores": [{"ended": NOW - 7200, "success": True, "recovery_time": 6.0, "recovery_point": 2.0}],
    }


def _monitoring() -> dict[str, Any]:
    return {
        "up": [{"job": job, "instance": job, "up": True} for job in ("node", "postgres")],
        "firing": [{"name": "Watchdog", "severity": "info", "about": ""}],
        "rules": 87,
        "written": 87,
        "unread": [],
        "silences": [],
        "invented": [],
        "mail_refused": "",
        "failures": 0,
        "alertmanagers": 1,
        "notifications_failed": 0,
    }


#: In the last decision it is a Monday, 2027-03-01, 10:00 UTC.
DECIDED = 1_803_895_200
CALENDAR = {
    "timezone": "Etc/UTC",
    "bands": [
        {"name": "school", "from": "08:00", "minimum": 1, "maximum": 2},
        {"name": "night", "from": "22:00", "minimum": 1, "maximum": 1},
    ],
}


def _scaling() -> dict[str, Any]:
    done = {"kind": "vacuum", "what": '"public"."Scan"', "why": "900 dead rows of 9000", "seconds": 0.2, "said": "done"}
    return {
        "status": {
            "at": DECIDED,
            "replicas": 1,
            "before": 1,
            "minimum": 1,
            "maximum": 2,
            "band": "school",
            "source": "steady",
            "reasons": ["calendar: 1 to 2 (school from 08:00, monday)"],
            "problem": "",
        },
        "said": "",
        "calendar": CALENDAR,
        "now": NOW,
        "night": {"at": NOW - 6 * 3600, "complete": True, "stopped": "", "failed": [], "done": [done]},
        "night_since": NOW - 30 * DAY,
    }


def healthy() -> tuple[dict[str, Any], dict[str, Any]]:
    """What is seen and what is expected, fresh for each test."""
    plan: dict[str, Any] = sizing("small", "4GB", 2).as_dict()
    seen = {
        "engine": _engine(plan),
        "balancer": _balancer(),
        "doors": [_doors()],
        "released": {"on_record": True, "image": "firstbell/app:0123456789ab", "former": ["registry.test/app:1"]},
        **_data(plan),
        "monitoring": _monitoring(),
        "records": _records(),
        "scaling": _scaling(),
        **_host(),
        **_custody(),
        **_outside(),
    }
    expected = {
        "stack": "school",
        "first": True,
        "clock_ahead": 0.4,
        "plan": plan,
        "secret_findings": [],
        "secret_count": 7,
        "app": {
            "environment": {"NODE_OPTIONS": "--max-old-space-size=480", "TZ": "Etc/UTC"},
            "indexes": [{"table": "Attendance", "columns": ["studentId"]}],
            "migrations": "prisma",
        },
        "autoscaler": {"enabled": True, "calendar": CALENDAR, "most": 2, "lead": 180},
        "backup": {
            "enabled": True,
            "s3": True,
            "retention_days": 30,
            "files_age": 10800,
            "components": ["redis"],
            "timers": TIMERS[:1],
            "config": {"path": "/opt/school/backup/backup.json", "settings": BACKUP},
        },
        "docker": {"settings": DAEMON, "timers": TIMERS[1:]},
        "edge": {
            "enabled": True,
            "domain": "school.org",
            "aliases": ["www.school.org"],
            "http_port": 80,
            "https_port": 443,
            "hsts": "max-age=63072000",
            "certificate": "local_ca",
            "sign_in_path": "/api/auth/callback",
            "sign_in_burst": 20,
            "sign_in_per_second": 5,
            "shared_networks": [],
            "readiness_path": "/api/auth/session",
            "sticky": False,
            "sticky_cookie": "edge_replica",
            "frame_options": "SAMEORIGIN",
            "timers": [],
        },
        "files": dict(FILES),
        "firewall": {"enabled": True, "rules": RULES},
        "host": {
            "directories": [{"path": "/opt/school"}],
            "sysctls": SYSCTLS,
            "sysctls_optional": ["net.netfilter.*"],
            "swap": "1GB",
            "timezone": "Etc/UTC",
            "user": "firstbell",
            "time_service": True,
            "upgrade_exclude": ["^docker"],
            "upgrade_reboots": False,
        },
        "night_work": {"enabled": True, "timers": []},
        "pgbouncer": {"settings": plan["pgbouncer"]["settings"], "database": "school", "host": "postgres"},
        "logs": {"enabled": True, "unit": "school-logs.service", "server": "logs.test:6514"},
        "images": {name: f"firstbell/{name}:0123456789ab" for name in SERVICES},
        "monitoring": {
            "enabled": True,
            "receivers": True,
            "users": {},
            "images": {},
            "jobs": ["node", "postgres"],
            "alertmanager_path": "/alertmanager",
            "mail": {
                "host": "mail.school.org",
                "port": 587,
                "user": "",
                "sender": "a",
                "recipient": "b",
                "authority": "",
            },
            "rules_file": RULES_FILE,
        },
        "postgres": {
            "settings": plan["postgres"]["settings"],
            "database": "school",
            "monitoring_role": "school_monitoring",
            "app_role": "school_app",
            "owner_role": "school_owner",
            "roles_extra": [],
            "extensions": ["pg_stat_statements"],
            "app_role_settings": {"statement_timeout": "30s", "lock_timeout": "10s"},
            "role_settings": {
                "school_owner": {},
                "school_app": {"statement_timeout": "30s", "lock_timeout": "10s"},
                "school_monitoring": {"statement_timeout": "5s", "lock_timeout": "500ms"},
            },
            "app_role_creates_tables": False,
            "app_role_revoked": [],
            "connections": {"school_owner": -1, "school_app": -1, "school_monitoring": 3},
        },
        "redis": {"settings": plan["redis"]["settings"]},
        "swarm": {
            "roles": {"bell1": "manager", "bell2": "worker"},
            "settings": {"stack": "school", "task_history": 5, "heartbeat": "5s", "certificate_expiry": "90d"},
        },
    }
    return seen, expected


def results(verdict: str = "pass", **more: Any) -> list[dict[str, Any]]:
    """What the checks say of it; the first one with this verdict and whatever else is given."""
    found = [one.as_dict() for one in run(CHECKS, Facts(*healthy()), {}, "bell1", [])]
    found[0].update(verdict=verdict, **more)
    return found
