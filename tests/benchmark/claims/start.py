# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, size and memory of the example app's image, naive and ours."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from typing import Any

from . import lab
from .model import Claim, Outcome, Rounds, apart, changed, check, reduction, spreads

CLAIM = Claim(
    name="start",
    claimed="start 40 % faster; images 200 MB smaller; memory of the application 20 % less",
    how="the example app from docker run to the first answer of /api/health; image; working set after 300 requests",
    unit="s",
    variants={
        "naive": "all of node_modules, next start (claims/naive.Dockerfile)",
        "ours": "images/nextjs",
        "naive size": "MB",
        "ours size": "MB",
        "naive memory": "MB",
        "ours memory": "MB",
    },
    least=0.4,
)
#: References of the two images on the engine of DOCKER_HOST.
IMAGES = {"naive": "FIRSTBELL_BENCHMARK_NAIVE", "ours": "FIRSTBELL_BENCHMARK_OURS"}
NEEDS = tuple(IMAGES.values())
REQUESTS = 300
PATIENCE = 120


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant, variable in IMAGES.items():
            seconds, memory = _start(laboratory.engine, os.environ[variable])
            found[variant].append(seconds)
            found[f"{variant} memory"].append(memory)
            size = laboratory.engine.images.get(os.environ[variable]).attrs["Size"]
            found[f"{variant} size"].append(size / 1e6)
    return found


def _start(engine: Any, image: str) -> tuple[float, float]:
    environment = {"NODE_ENV": "production", "PORT": "3000", "HOSTNAME": "0.0.0.0", "NEXTAUTH_SECRET": "x" * 32}
    began = time.monotonic()
    container = engine.containers.run(
        image, detach=True, environment=environment, user="1001:1001", tmpfs={"/tmp": "mode=1777"}, mem_limit="1g"
    )
    try:
        container.reload()
        url = f"http://{container.attrs['NetworkSettings']['IPAddress']}:3000/api/health"
        while not _answers(url):
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"{image} does not answer: {container.logs().decode(errors='replace')[-1500:]}")
            time.sleep(0.02)
        seconds = time.monotonic() - began
        for _request in range(REQUESTS):
            _answers(url)
        return seconds, lab.reading(container)["memory"] / 2**20
    finally:
        container.remove(force=True, v=True)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    faster, smaller, lighter = (
        reduction(rounds),
        max(rounds["naive size"]) - max(rounds["ours size"]),
        reduction(rounds, "naive memory", "ours memory"),
    )
    held = [faster >= CLAIM.least and apart(rounds), smaller >= 200, lighter >= 0.2]
    verdict = "holds" if all(held) else "partly" if any(held) else "does not hold"
    size = f"{max(rounds['naive size']):.0f} and {max(rounds['ours size']):.0f} MB"
    notes = (f"image {size}: {smaller:.0f} MB smaller; memory {changed(lighter)}",)
    shown = Claim(CLAIM.name, "", "", "s", dict.fromkeys(("naive", "ours"), ""))
    return Outcome(verdict, f"{changed(faster)}; {spreads(shown, rounds)}", notes)
