# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus everything that the overview asks, and fails where it has no answer.

    overview.py STACK [NEED ...]

NEED: what there is nothing of here, as the panels name it (app, backup); their questions must be
understood all the same.
"""

import json
import pathlib
import re
import subprocess
import sys

ASK = """
prometheus="--http.config.file /etc/firstbell/web/client.yml http://localhost:9090/prometheus"
while IFS= read -r query; do promtool query -o json instant $prometheus "$query" 2>&1 || true; done
"""


def main(stack, *needs):
    page = pathlib.Path(f"/opt/{stack}/monitoring/prometheus/consoles/overview.html").read_text(encoding="utf-8")
    sections = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    panels = [panel for section in sections for panel in section["panels"]]
    asked = [
        (panel, query.replace("$window", "120s"))
        for panel in panels
        for query in ([panel["query"]] if "query" in panel else [entry[1] for entry in panel["queries"]])
    ]
    service = f"label=com.docker.swarm.service.name={stack}_prometheus"
    container = subprocess.check_output(["docker", "ps", "--quiet", "--filter", service], text=True).split()[0]
    command = ["docker", "exec", "-i", container, "bash", "-c", ASK]
    lines = "".join(f"{query}\n" for _, query in asked)
    answers = subprocess.check_output(command, input=lines, text=True).splitlines()
    wrong = []
    for (panel, query), answer in zip(asked, answers, strict=True):
        understood = answer.startswith("[")
        if not understood or (answer == "[]" and panel.get("needs") not in needs):
            wrong.append(f"{panel['title']}: {query}: {answer}")
    print(f"{len(asked) - len(wrong)} of {len(asked)} answered")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
