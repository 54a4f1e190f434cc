# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes which container is which task of which service, for the exporter that measures them.

The engine's socket lets whoever has it do everything, and its own files of the containers hold their
environment. So the exporter, which the network reaches, gets neither: this program, which listens
nowhere, reads from the engine and writes a short list of names. It also counts what only the engine
sees: how often a task was started again, how many tasks a service has and should have, and which hosts of the swarm
answer it. And it reads what only the host sees: the bytes that each container, and the host itself, have received and
sent.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
SERVICE = "com.docker.swarm.service.name"
TASK = "com.docker.swarm.task.name"
#: The file is written at least that often, in seconds, so that its age tells whether this still runs.
PULSE = 15.0
#: Events that come together are answered together.
PAUSE = 0.5
#: How long an ended container is told of, so that what happened to it can be given a name.
KEPT = 3600.0
#: Exit status of a process that ended by SIGKILL.
KILLED = "137"

#: Where the kernel counts what goes over the network, by process, since that is in a network of its own.
NETWORK = "/proc/{pid}/net/dev"
#: Connections that the kernel tracks for the host, and how many it takes; there are none without the module.
CONNTRACK = "/proc/sys/net/netfilter"
LOOPBACK = "lo"

log = logging.getLogger("container_listing")


@dataclass
class Listing:
    """What is written. ``containers`` by id, ``restarts`` by the task's name, ``services`` and ``hosts`` by name."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    restarts: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, int]] = field(default_factory=dict)
    hosts: dict[str, bool] = field(default_factory=dict)
    has_leader: bool = True
    processes: dict[str, int] = field(default_factory=dict)

    def started(self, identity: str, labels: dict[str, str], created: float) -> None:
        """Take up a container that runs. Where its task was known before, that was a restart."""
        name = task_of(labels)
        if not name or (identity in self.containers and identity not in self.ended):
            return
        service = labels[SERVICE]
        self.containers[identity] = {"name": name, "service": service, "created": created}
        self.ended.pop(identity, None)
        before = self.restarts.get(name, {"count": -1})
        self.restarts[name] = {"service": service, "count": before["count"] + 1}

    def short_of_memory(self, identity: str) -> None:
        """The engine says that a container met its limit. Whether anybody was killed it does not know."""
        if identity in self.containers:
            self.containers[identity]["short"] = True

    def stopped(self, identity: str, now: float, status: str = "") -> None:
        """A container ended. After a lack of memory, status 137 means that the kernel killed its first process."""
        if identity in self.containers:
            self.ended.setdefault(identity, now)
            self.containers[identity]["killed"] = bool(
                self.containers[identity].get("killed") or (status == KILLED and self.containers[identity].get("short"))
            )

    def present(self, identities: set[str], now: float) -> None:
        """What does not run any more is remembered for a while, then forgotten; tasks with their service."""
        for identity in list(self.containers):
            if identity not in identities:
                self.stopped(identity, now)
        for identity, since in list(self.ended.items()):
            if identity in identities and now - since > PULSE:
                del self.ended[identity]  # it lives after all
            elif now - since > KEPT:
                del self.ended[identity]
                self.containers.pop(identity, None)
        if self.services:
            self.restarts = {name: task for name, task in self.restarts.items() if task["service"] in self.services}

    def carried(self, running: set[str]) -> None:
        """What each container that runs has received and sent."""
        for identity in running & set(self.containers):
            if identity not in self.processes:
                self.processes[identity] = process_of(identity)
            devices = network(self.processes[identity]) if self.processes[identity] else {}
            if devices:
                self.containers[identity]["network"] = [sum(pair) for pair in zip(*devices.values())]
        self.processes = {identity: pid for identity, pid in self.processes.items() if identity in running}

    def count(self, services: list[dict[str, Any]]) -> None:
        """Tasks of every service that is meant to stay, as the engine lists them with their status."""
        self.services = {
            service["Spec"]["Name"]: {
                "desired": service["ServiceStatus"]["DesiredTasks"],
                "running": service["ServiceStatus"]["RunningTasks"],
            }
            for service in services
            if "ServiceStatus" in service and not {"ReplicatedJob", "GlobalJob"} & set(service["Spec"].get("Mode", {}))
        }

    def joined(self, nodes: list[dict[str, Any]]) -> None:
        """Hosts of the swarm, and whether each answers it."""
        self.hosts = {}
        for node in nodes:
            name = node["Description"]["Hostname"]
            self.hosts[name] = node["Status"]["State"] == "ready" and self.hosts.get(name, True)

    def text(self, now: float) -> str:
        content = {
            "time": round(now, 3),
            "containers": self.containers,
            "restarts": self.restarts,
            "services": self.services,
            "swarm": {"hosts": self.hosts, "has_leader": self.has_leader},
        }
        return json.dumps(content, sort_keys=True)


def task_of(labels: dict[str, str]) -> str:
    """Service and slot, "school_app.2": the task's name without its id. Empty for what is no task."""
    return labels.get(TASK, "").rpartition(".")[0] if SERVICE in labels else ""


def network(pid: object = "self") -> dict[str, tuple[int, int]]:
    """Bytes received and sent by device, as a process sees them; nothing of one that has ended."""
    try:
        text = Path(NETWORK.format(pid=pid)).read_text(encoding="ascii")
    except OSError:
        return {}
    lines = [line.partition(":") for line in text.splitlines() if ":" in line]
    figures = {name.strip(): values.split() for name, _colon, values in lines}
    return {name: (int(has[0]), int(has[8])) for name, has in figures.items() if name != LOOPBACK}


def of_host(devices: dict[str, tuple[int, int]]) -> str:
    """The host's own without its ends of containers' links, for the node exporter, which sees its container's only."""
    lines = []
    for place, kind in enumerate(("receive", "transmit")):
        name = f"node_network_{kind}_bytes_total"
        lines += [f"# HELP {name} Bytes of a network device of the host", f"# TYPE {name} counter"]
        own = sorted((device, pair) for device, pair in devices.items() if not device.startswith("veth"))
        lines += [f'{name}{{device="{device}"}} {pair[place]}' for device, pair in own]
    return "".join(f"{line}\n" for line in [*lines, *tracked()])


def tracked() -> list[str]:
    """The host's table of connections, under the names of the node exporter, which sees its container's only."""
    lines = []
    for name, file in (("entries", "nf_conntrack_count"), ("entries_limit", "nf_conntrack_max")):
        try:
            value = int(Path(CONNTRACK, file).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return []
        metric = f"node_nf_conntrack_{name}"
        lines += [f"# HELP {metric} Of the host's table of connections", f"# TYPE {metric} gauge", f"{metric} {value}"]
    return lines


def process_of(identity: str) -> int:
    """The first process of a container; 0 when it has just ended."""
    try:
        return int(get(f"/containers/{identity}/json")["State"]["Pid"])
    except (OSError, ValueError, KeyError):
        return 0


def get(path: str) -> Any:
    """What the engine's API answers. Nothing but GET is ever sent."""
    with _asked(path) as answer:
        return json.load(answer.makefile("rb"))


def events() -> Iterator[list[dict[str, Any]]]:
    """What befalls containers, as it happens; an empty list when nothing did for some seconds."""
    wanted = quote(json.dumps({"type": ["container"], "event": ["start", "oom", "die"]}))
    with _asked(f"/events?filters={wanted}") as stream:
        stream.settimeout(PULSE)
        rest = b""
        while True:
            try:
                part = stream.recv(65536)
            except TimeoutError:
                yield []
                continue
            if not part:
                raise OSError("the engine ended the stream of events")
            *lines, rest = (rest + part).split(b"\n")
            yield [json.loads(line) for line in lines if line.strip()]


def _asked(path: str) -> socket.socket:
    """The connection after a question, in front of the answer's body. By HTTP/1.0 this comes in one piece."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(30.0)
        stream.connect(SOCKET)
        stream.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            if not byte:
                raise OSError("the engine ended the connection")
            head += byte
        status = head.split(b"\r\n", 1)[0].decode()
        if " 200 " not in status:
            raise OSError(f"{path.partition('?')[0]}: {status}")
    except BaseException:
        stream.close()
        raise
    return stream


def refresh(listing: Listing, now: float) -> None:
    """What the engine has now, in place of what events told."""
    running = get("/containers/json")
    for container in running:
        # One that has just ended may still be listed.
        if container["Id"] not in listing.containers:
            listing.started(container["Id"], container["Labels"], float(container["Created"]))
    try:
        listing.count(get("/services?status=true"))
        listing.joined(get("/nodes"))
        listing.has_leader = True
    except OSError as error:  # most managers of the swarm are away, or this is none any more
        listing.has_leader = False
        log.debug("%s", error)
    listing.present({container["Id"] for container in running}, now)
    listing.carried({container["Id"] for container in running})


def write(path: Path, text: str) -> None:
    """In one step, so that nobody reads half a file."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    os.replace(new, path)  # noqa: PTH105


def follow(listing: Listing, path: Path, host: Path | None) -> None:
    """Until the engine ends the connection; then wait a little for it."""
    try:
        update(listing, path, host)
        for news in events():
            for event in news:
                take(listing, event)
            update(listing, path, host)
            time.sleep(PAUSE)
    except (OSError, ValueError) as error:
        log.warning("%s; once more in 5 s", error)
        time.sleep(5)


def take(listing: Listing, event: dict[str, Any]) -> None:
    """An event of the engine."""
    actor = event["Actor"]
    if event["Action"] == "start":
        listing.started(actor["ID"], actor["Attributes"], float(event["time"]))
    elif event["Action"] == "oom":
        listing.short_of_memory(actor["ID"])
    else:
        listing.stopped(actor["ID"], float(event["time"]), actor["Attributes"].get("exitCode", ""))


def update(listing: Listing, path: Path, host: Path | None) -> None:
    """Ask the engine, and write."""
    refresh(listing, time.time())
    write(path, listing.text(time.time()))
    if host:
        write(host, of_host(network()))


def main(arguments: list[str]) -> int:
    """Follow the engine for as long as it lives, and wait for it when it does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="the file to write")
    parser.add_argument("host", type=Path, nargs="?", help="the file for the host's own figures")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    listing = Listing()
    while True:
        follow(listing, options.path, options.host)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
