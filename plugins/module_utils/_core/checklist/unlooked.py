# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed where something could not be looked at."""

from __future__ import annotations

_AS_SAID = "What the reason says; where it names no command: make site. Then verify again"
_NO_LOGIN = 'role "postgres" is not permitted to log in'
"""As PostgreSQL says it; then nobody can take it back by a statement in a session."""


def mend(reason: str) -> str:
    """What mends it, by why it was not possible."""
    if _NO_LOGIN in reason:
        single = "echo 'ALTER ROLE postgres LOGIN' | docker run --rm -i"
        return without_postgres(single, 'postgres "$image" --single postgres')
    return _AS_SAID


def without_postgres(options: str, command: str) -> str:
    """What is typed to run a program of PostgreSQL on its data while the server is stopped."""
    return (
        "At a quiet time, as the application is away until the end: image=$(docker service inspect --format "
        "'{{.Spec.TaskTemplate.ContainerSpec.Image}}' {stack}_postgres); docker service scale {stack}_postgres=0; "
        "while docker ps -q -f label=com.docker.swarm.service.name={stack}_postgres | grep -q .; do sleep 1; done; "
        f"{options} --network none -v /opt/{{stack}}/data/postgres:/var/lib/postgresql --entrypoint {command}; "
        "docker service scale {stack}_postgres=1"
    )
