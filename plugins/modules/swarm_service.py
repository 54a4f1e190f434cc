#!/usr/bin/python

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: swarm_service
short_description: Run one Docker Swarm service, and wait until it is what was promised
version_added: 1.0.0
author:
  - firstbell contributors (@firstbell)
description:
  - Brings a swarm service to exactly what the options say. What is not given has the default below;
    an option removed from the play goes back to its default.
  - Compares every option with the service that the engine has, so that changes made by hand are seen and undone,
    and a second run changes nothing and writes nothing.
  - Waits until all tasks run the wanted version and are healthy, and fails if they do not get there - if the update
    was rolled back or paused, tasks crash, no host can take them, an image is missing, a health check does not pass.
    The message then has the tasks' errors, what the health check said, and the end of the log.
  - A service that needs no change is checked in the same way. A run that succeeds means that it is healthy now.
notes:
  - Works on a manager of the swarm, with Docker Engine 20.10 (API 1.41) and newer.
  - Images are taken as they are named. With images that are only on the hosts and in no registry, the engine uses the
    local one.
  - With O(config_paths), mount directories rather than single files. A file is usually changed by putting
    another one in its place, and a container that has the single file mounted goes on seeing the old one.
  - In check mode, a host without an engine or without a swarm counts as one without the service.
requirements:
  - docker (Python library) >= 5.0.3; the package python3-docker of Debian 12 and newer
attributes:
  check_mode:
    description: Can run in check mode and return changed status without changing anything.
    support: full
  diff_mode:
    description: Shows the options that change, before and after. Of secrets, only names and files.
    support: full
options:
  name:
    description: Name of the service.
    type: str
    required: true
  state:
    description:
      - V(present) runs the service.
      - V(absent) removes it and its secrets, and waits until its containers on this host are gone.
    type: str
    choices: [present, absent]
    default: present
  image:
    description: Image with its tag. Required with O(state=present).
    type: str
  command:
    description: Replaces the image's entry point.
    type: list
    elements: str
    default: []
  args:
    description: Arguments of the entry point. They replace those of the image.
    type: list
    elements: str
    default: []
  user:
    description:
      - User and group in the container, as C(uid:gid). The files of O(secrets) belong to them.
      - An empty text takes the image's user.
    type: str
    default: "1001:1001"
  env:
    description:
      - Environment variables. They are shown by anybody who may look at the service; passwords belong into O(secrets).
      - Numbers are taken as they are written; booleans have to be in quotes.
    type: dict
    default: {}
  labels:
    description: Labels of the service. The label C(firstbell.spec) is the module's own.
    type: dict
    default: {}
  networks:
    description: Networks of the swarm that the service is attached to. They have to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      aliases:
        description: Further DNS names of the service in this network.
        type: list
        elements: str
        default: []
  endpoint_mode:
    description: How the service's name is resolved, to its tasks (V(dnsrr)) or to a virtual address (V(vip)).
    type: str
    choices: [dnsrr, vip]
    default: dnsrr
  publish:
    description: Ports that are reachable from outside.
    type: list
    elements: dict
    default: []
    suboptions:
      published:
        description: Port on the host.
        type: int
        required: true
      target:
        description: Port in the container.
        type: int
        required: true
      protocol:
        description: Protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
      mode:
        description: >-
          On the hosts with a task (V(host), the container sees the client's address), or on all hosts of the swarm
          through a virtual address (V(ingress)).
        type: str
        choices: [host, ingress]
        default: host
  mounts:
    description: What is mounted into the containers.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: A path of the host, a named volume, or memory.
        type: str
        choices: [bind, volume, tmpfs]
        default: bind
      source:
        description: Path or volume. A path of O(mounts[].type=bind) has to be there.
        type: str
      target:
        description: Path in the container.
        type: path
        required: true
      read_only:
        description: Whether it cannot be written to.
        type: bool
        default: false
      size:
        description: >-
          Largest size with O(mounts[].type=tmpfs), such as V(64MB), or a number of bytes. Without it, half of the
          memory.
        type: raw
      mode:
        description: Mode of the directory with O(mounts[].type=tmpfs), in quotes. Without it, V("1777").
        type: str
  secrets:
    description:
      - Secrets with their content, as files below C(/run/secrets).
      - Each content is a swarm secret of its own, named C(<service>_<name>_<version>). The version is taken from an
        HMAC-SHA-256 of the content, keyed with the swarm's id, so that a changed content updates the service while
        neither the name nor the diff tells it.
      - Versions that no service uses any more are removed after an update. The one before is kept, since a roll-back
        would need it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the secret within the service.
        type: str
        required: true
      value:
        description: The content.
        type: str
        required: true
      target:
        description: Name of the file. Without it, O(secrets[].name).
        type: str
      mode:
        description: Mode of the file, in quotes.
        type: str
        default: "0400"
  mode:
    description:
      - As many tasks as O(replicas) says, or one on every host.
      - The engine cannot change it; a service has to be removed first.
    type: str
    choices: [replicated, global]
    default: replicated
  replicas:
    description: Number of tasks with O(mode=replicated). Without it, V(1).
    type: int
  keep_replicas:
    description: Whether a service that is there keeps the number of tasks that it has, because an autoscaler sets it.
    type: bool
    default: false
  constraints:
    description: On which hosts tasks may run, such as V(node.labels.database==true).
    type: list
    elements: str
    default: []
  limits:
    description: What a task can have at most. V(0) is no limit.
    type: dict
    default: {}
    suboptions:
      cpus:
        description: CPUs, such as V(0.5).
        type: float
        default: 0
      memory:
        description: Memory with its unit, such as V(512MB), or a number of bytes.
        type: raw
        default: 0
      pids:
        description: Processes and threads.
        type: int
        default: 0
  reservations:
    description: What a host must have left for a task.
    type: dict
    default: {}
    suboptions:
      cpus:
        description: CPUs, such as V(0.5).
        type: float
        default: 0
      memory:
        description: Memory with its unit, such as V(512MB), or a number of bytes.
        type: raw
        default: 0
  health:
    description: Health check of the containers. Without it, that of the image.
    type: dict
    suboptions:
      test:
        description: V([CMD, program, argument]), V([CMD-SHELL, line]), or V([NONE]) for no check.
        type: list
        elements: str
        required: true
      interval:
        description: Time between two checks. The first one comes after this time.
        type: str
        default: 10s
      timeout:
        description: Time that a check may take.
        type: str
        default: 5s
      start_period:
        description: Time after the start in which failed checks do not count.
        type: str
        default: 60s
      start_interval:
        description:
          - Time between two checks until the first one succeeds or O(health.start_period) is over, so that a container
            that is ready counts as ready. V(0s) means O(health.interval).
          - Engines before 25 do not know it and go by O(health.interval).
        type: str
        default: 0s
      retries:
        description: Failed checks in a row that make a container unhealthy.
        type: int
        default: 5
  read_only:
    description: Whether the root file system cannot be written to.
    type: bool
    default: true
  cap_drop:
    description: Capabilities taken away.
    type: list
    elements: str
    default: [ALL]
  cap_add:
    description: Capabilities given.
    type: list
    elements: str
    default: []
  init:
    description: Whether a small init process runs as PID 1, which passes signals on and reaps children.
    type: bool
    default: true
  ulimits:
    description: Limits of the processes, such as C(nofile). A number, C(soft:hard), or V(-1) for none.
    type: dict
    default: {}
  sysctls:
    description: Kernel settings of the container, C(net.*) only.
    type: dict
    default: {}
  stop_signal:
    description: Signal that asks the process to end.
    type: str
    default: SIGTERM
  stop_grace_period:
    description: Time that it has before it is killed.
    type: str
    default: 30s
  restart:
    description: When ended tasks are started again.
    type: dict
    default: {}
    suboptions:
      condition:
        description: After which end.
        type: str
        choices: [any, on-failure, none]
        default: any
      delay:
        description: Time before it.
        type: str
        default: 2s
      max_attempts:
        description: How often within O(restart.window). V(0) is without end.
        type: int
        default: 0
      window:
        description: Time within which O(restart.max_attempts) are counted.
        type: str
        default: 120s
  update:
    description: How tasks are replaced by new ones.
    type: dict
    default: {}
    suboptions:
      order:
        description:
          - Whether the new task starts before or after the old one ends.
          - Without it V(start-first), but V(stop-first) where O(publish) has a port in mode V(host), which only one of
            them can have.
        type: str
        choices: [start-first, stop-first]
      parallelism:
        description: Tasks at a time. V(0) is all.
        type: int
        default: 1
      delay:
        description: Time between them.
        type: str
        default: 0s
      monitor:
        description: Time after a task's start in which its end counts as a failed update.
        type: str
        default: 30s
      failure_action:
        description: What happens then.
        type: str
        choices: [rollback, pause, continue]
        default: rollback
      max_failure_ratio:
        description: Share of tasks that may fail before that.
        type: float
        default: 0
  log:
    description: Where the containers' output goes. Without it, the engine's default.
    type: dict
    suboptions:
      driver:
        description: Name of the log driver.
        type: str
        required: true
      options:
        description: Its options.
        type: dict
        default: {}
  config_paths:
    description:
      - Files and directories of this host that the process reads at its start and on O(reload_signal).
      - If one of them, or one below a directory, is newer than a container of the service on this host and newer than
        at the last reload, the container is sent the signal.
    type: list
    elements: path
    default: []
  reload_signal:
    description: The signal that makes the process read its configuration again.
    type: str
    default: SIGHUP
  wait:
    description: Whether to wait until the service is what was promised, and to fail if it does not get there.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most.
    type: int
    default: 300
  docker_host:
    description: Address of the engine. The environment variable E(DOCKER_HOST) is used if it is not given.
    type: str
    default: unix:///var/run/docker.sock
seealso:
  - module: community.docker.docker_network
    description: Makes the networks.
"""

EXAMPLES = r"""
- name: Run one task of a web server
  firstbell.stack.swarm_service:
    name: academy_web
    image: academy/web:1.4.2

- name: Run Redis with a password, its data on the host, and what it may use
  firstbell.stack.swarm_service:
    name: academy_redis
    image: firstbell/redis:0123456789ab
    args: [/etc/redis/redis.conf]
    networks:
      - name: academy_data
        aliases: [redis]
    mounts:
      - {source: /opt/academy/redis, target: /etc/redis, read_only: true}
      - {source: /opt/academy/data/redis, target: /data}
      - {type: tmpfs, target: /tmp, size: 16MB}
    secrets:
      - {name: acl, value: "{{ redis_acl }}", target: users.acl}
    limits: {cpus: 0.5, memory: 256MB, pids: 64}
    reservations: {memory: 128MB}
    health: {test: [CMD, redis-cli, -s, /run/redis.sock, ping], interval: 5s}
    update: {order: stop-first}

- name: Roll out a new version of the app, keep the number of replicas that the autoscaler has set
  firstbell.stack.swarm_service:
    name: academy_app
    image: academy/app:2.0.0
    replicas: 2
    keep_replicas: true
    health: {test: [CMD, node, /app/health.js], interval: 5s, start_period: 30s}

- name: Run a proxy whose configuration is reloaded in place
  firstbell.stack.swarm_service:
    name: academy_nginx
    image: firstbell/nginx:0123456789ab
    mode: global
    publish:
      - {published: 443, target: 8443}
    mounts:
      - {source: /opt/academy/nginx, target: /etc/nginx, read_only: true}
    config_paths: [/opt/academy/nginx]
    reload_signal: SIGHUP

- name: Remove a service and its secrets
  firstbell.stack.swarm_service:
    name: academy_redis
    state: absent
"""

RETURN = r"""
changes:
  description:
    - Names of the options that differed, sorted.
    - C(rollback) is how the engine goes back, which follows O(update). C(unmanaged) is what was set by hand and has no
      option. C(update_status) is a paused update that was resumed.
  returned: always
  type: list
  elements: str
  sample: [image, limits]
drifted:
  description: Whether the service was changed by somebody else since the module wrote it.
  returned: always
  type: bool
  sample: false
replaced:
  description: Whether containers of the service were replaced by new ones, or would have been in check mode.
  returned: always
  type: bool
  sample: false
reloaded:
  description: Whether containers were sent O(reload_signal), or would have been in check mode.
  returned: always
  type: bool
  sample: false
service:
  description: The service.
  returned: always
  type: dict
  contains:
    id:
      description: Its id. Empty in check mode if it is not there yet.
      type: str
      sample: jbfdcb12f150f0vhtag1ogmdc
    name:
      description: Its name.
      type: str
      sample: academy_redis
    replicas:
      description: Number of tasks wanted. None with O(mode=global).
      type: int
      sample: 1
containers:
  description: Ids of the service's running containers on this host.
  returned: always
  type: list
  elements: str
  sample: [9c56a717f5a7210417b29a205053fc9b3d6399c836c5ff87652cd9809d28ee0d]
reason:
  description:
    - Why the service has not become what was promised, in one word.
    - C(rolled_back), C(rollback_paused), C(rolling_back), C(paused), C(crash_looping), C(image_missing), C(rejected),
      C(unhealthy), C(unschedulable), C(updating), C(starting), C(stopping), or C(changed) by somebody else.
  returned: failure after the engine took the service
  type: str
  sample: rolled_back
failures:
  description: The tasks that failed or do not start, one for each different error, the latest first.
  returned: failure after the engine took the service
  type: list
  elements: dict
  sample:
    - id: tcgudl23eavixdugxt52nhv80
      slot: 1
      node: u42jwv81u0hr3qa3foiawzy5x
      state: failed
      error: "task: non-zero exit (1)"
      exit_code: 1
      health: unhealthy
      health_output: "connect ECONNREFUSED 127.0.0.1:3000"
log:
  description: The last lines of the log of the first of RV(failures).
  returned: failure after the engine took the service
  type: list
  elements: str
  sample: ["Error: DATABASE_URL is not set"]
"""

import time

from ansible.module_utils.basic import env_fallback

from ..module_utils._core.service_arguments import OPTIONS
from ..module_utils._core.service_engine import EngineUnavailableError, NoEngine
from ..module_utils._core.service_run import Run
from ..module_utils._io.config_files import HostConfigFiles
from ..module_utils._io.engine import DEFAULT_HOST, DockerEngine
from ..module_utils._shell import run


def ensure(params, context):
    try:
        engine = DockerEngine(params["docker_host"])
        engine.service(params["name"])
    except EngineUnavailableError as error:
        gone = error.no_swarm and params["state"] == "absent"
        if not gone and not context.check_mode:
            raise
        if not gone:
            context.warn(f"{params['name']}: taken as absent in check mode: {error}")
        engine = NoEngine()
    service = Run(
        options=params,
        engine=engine,
        files=HostConfigFiles(),
        check_mode=context.check_mode,
        monotonic=time.monotonic,
        now=time.time,
        sleep=time.sleep,
    )
    return service.present() if params["state"] == "present" else service.absent()


def main():
    docker_host = {"type": "str", "default": DEFAULT_HOST, "fallback": (env_fallback, ["DOCKER_HOST"])}
    run(
        {
            "argument_spec": {**OPTIONS, "docker_host": docker_host},
            "required_if": [("state", "present", ("image",))],
            "supports_check_mode": True,
        },
        ensure,
    )


if __name__ == "__main__":
    main()
