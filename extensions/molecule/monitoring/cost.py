# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what the services of the monitoring have cost so far, as the kernel counts it.

JSON: by service the seconds of CPU since its container's start, its memory in MB without what is
only page cache, and which share of its limit that is.
"""

import json
import subprocess
import sys
from pathlib import Path


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def group(pid: int, controller: str) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}")
        if not controllers and not Path("/sys/fs/cgroup/memory").exists():
            return Path(f"/sys/fs/cgroup{path}")
    sys.exit(f"no cgroup of {pid} for {controller}")


def counters(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {name: int(value) for name, value in pairs}


found = {}
for name in sys.argv[1:]:
    identifier = run("docker", "ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={name}").strip()
    about = json.loads(run("docker", "inspect", identifier))[0]
    cpu, memory = group(about["State"]["Pid"], "cpuacct"), group(about["State"]["Pid"], "memory")
    if (cpu / "cpuacct.usage").exists():
        seconds = int((cpu / "cpuacct.usage").read_text(encoding="ascii")) / 1e9
        used = counters(memory / "memory.stat")["total_rss"]
    else:
        seconds = counters(cpu / "cpu.stat")["usage_usec"] / 1e6
        used = counters(memory / "memory.stat")["anon"]
    share = used / about["HostConfig"]["Memory"]
    found[name] = {"cpu_seconds": round(seconds, 2), "memory_mb": round(used / 2**20, 1), "share": round(share, 2)}
json.dump(found, sys.stdout)
