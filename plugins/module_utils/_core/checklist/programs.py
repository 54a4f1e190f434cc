# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's programs: those that the playbook and the packages brought."""

from __future__ import annotations

from .administrators import unknown
from .model import Facts, Outcome, check, none_of
from .services import SITE


@check(
    "programs",
    "S82 S92",
    "host",
    "Nobody has changed the programs by which the host is run",
    target="the stack's commands as this playbook installs them; packages there, their programs and units unchanged",
    command="ls /usr/local/sbin/{stack}-* /usr/local/lib/{stack}-*; dpkg --verify docker.io runc openssh-server",
    fix=SITE,
    needs="programs",
    everywhere=True,
)
def programs(facts: Facts) -> Outcome:
    seen, own = facts.seen["programs"], []
    for files in seen["commands"].values():
        more = f" and {len(files) - 1} more of the same command" if len(files) > 1 else ""
        own += [f"{files[0]}{more}"] if files else []
    missing = [f"the package {name} is not installed" for name in seen["missing"]]
    altered = [f"{one['path']} is not as the package {one['package']} brought it" for one in seen["altered"]]
    hiding, libraries = (unknown(facts, seen[kind]) for kind in ("hiding", "hiding_libraries"))
    said = [f"{path} takes the place of the package's: rm {path}; what is yours: checks_known_jobs" for path in hiding]
    said += [
        f"{path} takes the place of the package's library in every program: rm {path}, then ldconfig; what is yours: "
        "checks_known_jobs"
        for path in libraries
    ]
    if not seen["authorities"]:
        said.append("the host trusts no authority of certificates: update-ca-certificates --fresh")
    packages = sorted({one["package"] for one in seen["altered"]})
    stops = ", at a quiet time, as the engine may start anew" if any(_of_engine(name) for name in packages) else ""
    fixes = {
        SITE: [*own, *missing],
        f"apt-get install --reinstall {' '.join(packages)}{stops}": altered,
        "What the finding says": said,
    }
    fix = ". Then: ".join(text for text, found in fixes.items() if found)
    evidence = "\n".join([*(one for files in seen["commands"].values() for one in files), *map(str, seen["altered"])])
    measured = f"{len(seen['commands'])} commands, as installed"
    return none_of([*said, *missing, *altered, *own], measured, evidence, fix=fix)


def _of_engine(package: str) -> bool:
    return package.startswith(("docker", "containerd", "runc"))
