# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus everything that the dashboards ask, and fails where it has no answer.

    dashboards.py STACK FOLDER [UNANSWERED ...]

FOLDER holds the dashboards as Grafana reads them. UNANSWERED: words of which one is in each query that has
nothing to answer here; those queries must be understood all the same.
"""

import base64
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

NETWORK = 0x40000000


def queries(folder):
    """Title and query of each target of each panel."""
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        board = json.loads(path.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{board['title']}, {panel['title']}", target["expr"].replace("$__rate_interval", "120s")


def enter(stack):
    """Go into the network of Prometheus, whose own share of CPU is too small for clients; its password."""
    service = f"label=com.docker.swarm.service.name={stack}_prometheus"
    container = subprocess.check_output(["docker", "ps", "--quiet", "--filter", service], text=True).split()[0]
    form = "{{.State.Pid}}"
    pid = subprocess.check_output(["docker", "inspect", "--format", form, container], text=True).strip()
    password = pathlib.Path(f"/proc/{pid}/root/run/secrets/password").read_text(encoding="utf-8").strip()
    with pathlib.Path(f"/proc/{pid}/ns/net").open(encoding="ascii") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), NETWORK):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return base64.b64encode(f"admin:{password}".encode()).decode()


def ask(query, token):
    """What it answers: a list of series, or why it does not understand."""
    address = f"http://127.0.0.1:9090/prometheus/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    request = urllib.request.Request(address, headers={"Authorization": f"Basic {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        return error.read().decode("utf-8", "replace")[:300]


def main(stack, folder, *unanswered):
    asked = list(queries(folder))
    if not asked:
        sys.exit(f"{folder} has no dashboards")
    token = enter(stack)
    # Each question once: several dashboards ask the same.
    answers = {query: ask(query, token) for query in dict.fromkeys(query for _title, query in asked)}
    wrong = []
    for title, query in asked:
        answer = answers[query]
        if isinstance(answer, str) or (not answer and not any(word in query for word in unanswered)):
            wrong.append(f"{title}: {query}: {answer}")
    print(f"{len(asked) - len(wrong)} of {len(asked)} answered")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
