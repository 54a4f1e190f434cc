# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes load and metrics away, gives orders, and tries what the gate must refuse."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.parse

sys.path.insert(0, "/opt/test")
import host

measured = {}
assert host.replicas() == 3

# A pause holds against load that goes, and says so.
said = host.run(host.COMMAND, "pause").stdout
assert "paused; go on with: molecule-autoscaler resume" in said, said
host.load(0)
time.sleep(36)  # the rate's window, that of going down, and some rounds
assert host.replicas() == 3
assert host.status()["source"] == "paused"
refused = host.run(host.COMMAND, "scale-up", check=False)
assert refused.returncode == 1
assert "first: molecule-autoscaler resume" in refused.stderr, refused
host.run(host.COMMAND, "resume")
measured["down after s"] = host.wait("the least replicas again", lambda: host.replicas() == 1, 30)

# People may ask for more, within the caps, and not for less than the calendar has.
said = host.run(host.COMMAND, "scale-up", "--minutes", "5").stdout
assert "molecule_app: 2 replicas ordered" in said, said
refused = host.run(host.COMMAND, "scale-up", "--by", "3", check=False)
assert refused.returncode == 1
assert "5 replicas are more than firstbell_plan.app.max_replicas allows, 4" in refused.stderr, refused
host.run(host.COMMAND, "scale-down")
assert host.replicas() == 1
refused = host.run(host.COMMAND, "scale-down", check=False)
assert "0 replicas are less than the band always has at least, 1" in refused.stderr, refused
host.run(host.COMMAND, "resume")

# Without metrics: hold, then as many as the band allows. With them again: back.
host.run("docker", "service", "scale", "--detach", "molecule_prometheus=0")
measured["fallback after s"] = host.wait("the fallback", lambda: host.replicas() == 4, 60)
sources = [line.get("source") for line in host.log()]
assert "hold" in sources, sources
assert host.status()["source"] == "fallback"
host.run("docker", "service", "scale", "--detach", "molecule_prometheus=1")
host.wait("metrics again", lambda: host.status()["source"] not in ("hold", "fallback"), 60)


# The gate changes replicas of one service within bounds, and does nothing else.
def ask(request: bytes) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(host.GATE)
        connection.sendall(request + b"\n")
        return connection.makefile().readline()


before = {name: host.service(name)["Spec"] for name in ("molecule_app", "molecule_autoscaler", "molecule_prometheus")}
host.run(host.COMMAND, "pause")
for request in (
    b'{"service": "molecule_autoscaler", "replicas": 2}',
    b'{"service": "molecule_prometheus"}',
    b'{"service": "molecule_app", "replicas": 0}',
    b'{"service": "molecule_app", "replicas": 5}',
    b'{"service": "molecule_app", "replicas": -1}',
    b'{"service": "molecule_app", "replicas": "2"}',
    b'{"service": "molecule_app", "replicas": 2.0}',
    b'{"service": "molecule_app", "replicas": true}',
    b'{"service": "molecule_app", "replicas": null}',
    b'{"service": "molecule_app", "replicas": 2, "image": "x"}',
    b'{"service": "molecule_app", "service": "molecule_prometheus", "replicas": 2}',
    b'{"service": ["molecule_app"], "replicas": 2}',
    b'{"service": "molecule_app/../molecule_prometheus", "replicas": 2}',
    b'[{"service": "molecule_app", "replicas": 2}]',
    b"GET /containers/json HTTP/1.1\r\nHost: x\r\n\r",
    b"\xff\xfe\x00",
    b"[" * 400,
    b'{"service": "molecule_app", "replicas": 2' + b" " * 600 + b"}",
    b"",
):
    answer = ask(request)
    assert list(json.loads(answer)) == ["error"], (request, answer)
assert {name: host.service(name)["Spec"] for name in before} == before
journal = host.run("journalctl", "--unit", "molecule-autoscaler-gate@*", "--output", "cat").stdout
assert journal.count("refused:") >= 19, journal
assert "molecule_app: 1 -> 3 replicas" in journal or "molecule_app: 2 -> 3 replicas" in journal, journal

# And the container has nothing else of the host to ask, nor may it change what it is told.
inside = """
import os, json
found = {"user": os.getuid(), "sockets": [], "written": []}
for folder in ("/run", "/var/run", "/opt"):
    for path, folders, names in os.walk(folder):
        found["sockets"] += [n for n in names if n.endswith(".sock")]
for path in ("config/autoscaler.json", "config/x", "control/order.json", "gate/x"):
    try:
        open("/opt/molecule/autoscaler/" + path, "a").close()
        found["written"].append(path)
    except OSError:
        pass
print(json.dumps(found))
"""
found = json.loads(host.run("docker", "exec", host.container(), "python3", "-c", inside).stdout)
assert found == {"user": 1001, "sockets": ["gate.sock"], "written": []}, found

# A second one waits.
spec = host.service("molecule_autoscaler")["Spec"]["TaskTemplate"]["ContainerSpec"]
mounts = [part for m in spec["Mounts"] for part in ("--volume", f"{m['Source']}:{m['Target']}")]
host.run("docker", "run", "--detach", "--name", "second", "--user", "1001:1001", *mounts, spec["Image"], *spec["Args"])
time.sleep(5)
second = host.run("docker", "logs", "second").stdout
host.run("docker", "rm", "--force", "second")
assert [json.loads(line)["problem"] for line in second.splitlines()] == [
    "another autoscaler decides; waiting for its end"
], second
host.run(host.COMMAND, "resume")


# Replicas and reasons are in log and metrics.
lines = host.log()
assert all(line["reasons"] for line in lines if "source" in line), lines
assert {(1, 4), (3, 1)} <= {(line["before"], line["replicas"]) for line in lines if "source" in line}
assert {line["source"] for line in lines if "source" in line} >= {"requests", "paused", "manual", "hold", "fallback"}


def metric(query: str) -> float:
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
    code = f"import urllib.request; print(urllib.request.urlopen('http://prometheus:9090{path}').read().decode())"
    answer = json.loads(host.run("docker", "exec", host.container(), "python3", "-c", code).stdout)
    return float(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else -1


host.wait("its own metrics", lambda: metric('autoscaler_replicas{kind="ordered"}') >= 1, 20)
assert metric('autoscaler_decisions_total{source="fallback",direction="up"}') >= 1
assert metric("autoscaler_paused") in (0, 1)
print(json.dumps(measured))
