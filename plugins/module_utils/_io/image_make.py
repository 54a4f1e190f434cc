# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes images on a host, in two steps.

``survey`` looks what is there and loads what the cache holds; it tells what is left.
The controller then sends the build contexts of just these, and ``make`` builds them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._core import apt_sources as sources
from .._core.image_build import (
    BUILD,
    LOAD,
    PRESENT,
    BuildError,
    Request,
    decide,
    parse_requests,
)
from .._core.images import levels
from .._core.redact import secret_values
from . import apt_sources as host
from .image_cache import Cache
from .image_engine import Engine, find_command

_DONE = {BUILD: "built", LOAD: "loaded", PRESENT: "present"}


def survey(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The state of each wanted image, and the names of those that have to be built."""
    requests = parse_requests(params["request"]["images"])
    cache = Cache(params["cache_directory"])
    engine = _find_engine() if check_mode else _require_engine()
    present = engine.sizes(request.reference for request in requests) if engine else {}
    cached = {request.reference for request in requests if cache.holds(request)}
    known = {request.reference: request for request in requests}
    images: dict[str, Any] = {}

    decisions = decide(requests, present, cached)
    while engine and not check_mode and LOAD in decisions.values():
        reference = next(reference for reference, decision in decisions.items() if decision == LOAD)
        start = time.monotonic()
        if cache.load(engine, known[reference]):
            present.update(engine.sizes([reference]))
            images[reference] = _DONE[LOAD], time.monotonic() - start
        cached.discard(reference)
        decisions = decide(requests, present, cached)

    done = {reference: images.get(reference, (_DONE[what], 0.0)) for reference, what in decisions.items()}
    return {
        "changed": any(state != _DONE[PRESENT] for state, _seconds in done.values()),
        "images": {
            known[reference].name: _entry(reference, state, seconds, present.get(reference))
            for reference, (state, seconds) in done.items()
        },
        "missing": [known[reference].name for reference, what in decisions.items() if what == BUILD],
    }


def make(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Build the requests, each with its context, bases first; the result, and warnings."""
    requests = {request.name: request for request in parse_requests(params["request"]["images"])}
    by_reference = {request.reference: name for name, request in requests.items()}
    engine = _require_engine()
    cache = Cache(params["cache_directory"])
    result: dict[str, Any] = {"changed": True, "images": {}}
    warnings: list[str] = []

    with tempfile.TemporaryDirectory(prefix="firstbell-images-", dir="/var/tmp") as folder:
        # mmdebstrap's apt works as a user of its own in there; the secrets are readable for nobody else.
        work = Path(folder)
        work.chmod(0o711)
        suite = next(request.suite for request in requests.values())
        secrets = _secrets(work, params, suite, warnings)

        def build(name: str) -> None:
            start = time.monotonic()
            request = requests[name]
            with cache.alone(request):
                what = LOAD if cache.load(engine, request) else BUILD
                if what == BUILD:
                    _build(engine, request, work, secrets, float(params["timeout"]))
                    cache.keep(engine, request)
            seconds = time.monotonic() - start
            size = engine.sizes([request.reference]).get(request.reference)
            result["images"][name] = _entry(request.reference, _DONE[what], seconds, size)

        bases = {name: by_reference.get(request.base_reference, "") for name, request in requests.items()}
        for names in levels(bases):
            _in_parallel(build, names, int(params["parallel"]), result)
    cache.prune(float(params["cache_max_age_days"]) * 86400, int(params["cache_max_size"]))
    return result, warnings


def _require_engine() -> Engine:
    command = find_command()
    if not command:
        raise BuildError("Docker is not installed on this host: run the role firstbell.stack.docker first")
    engine = Engine(command, host.read_proxies(host.read_apt_options()))
    if not engine.is_running():
        raise BuildError("no Docker engine answers on this host: systemctl start docker")
    return engine


def _find_engine() -> Engine | None:
    """The engine of a host on which there may be none yet."""
    try:
        return _require_engine()
    except BuildError:
        return None


def _entry(reference: str, state: str, seconds: float, size: int | None) -> dict[str, Any]:
    return {"reference": reference, "state": state, "seconds": round(seconds, 1), "size": size}


def _secrets(work: Path, params: Mapping[str, Any], suite: str, warnings: list[str]) -> dict[str, Path]:
    """The files that every build is given: the package sources and the trusted certificates."""
    apt_options = host.read_apt_options()
    mirrors = sources.find_mirrors(host.read_sources(), apt_options)
    if params["mirror"]:
        mirrors = replace(mirrors, main=params["mirror"].rstrip("/"), security="")
    if params["security_mirror"]:
        mirrors = replace(mirrors, security=params["security_mirror"].rstrip("/"))
    if not mirrors.main:
        raise BuildError(
            "this host's apt knows no Debian archive: name one in images_mirror and images_security_mirror"
        )
    if not mirrors.security:
        warnings.append(
            f"The images get no security updates: beside {mirrors.main} no archive with them is known. "
            "Name it in security_mirror."
        )
    files = {"apt": work / "apt.sources", "ca_bundle": work / "ca_bundle.pem"}
    files["apt"].write_text(sources.render(mirrors, suite), encoding="utf-8")
    files["ca_bundle"].write_text(host.ca_bundle(params["ca_bundle"] or ""), encoding="utf-8")
    return files


def _build(engine: Engine, request: Request, work: Path, secrets: Mapping[str, Path], timeout: float) -> None:
    if not request.base_reference:
        engine.bootstrap(request, secrets["apt"], work, timeout)
        return
    hidden: list[str] = []
    for path in request.secrets.values():
        hidden += secret_values(Path(path).read_text(encoding="utf-8", errors="replace"))
    files = {**{name: str(path) for name, path in secrets.items()}, **request.secrets}
    engine.build(replace(request, secrets=files), timeout, hidden)


def _in_parallel(build: Any, names: Iterable[str], workers: int, result: Mapping[str, Any]) -> None:
    """Build them all; the first failure is raised when those that run have ended."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(build, name) for name in names]
        failures = []
        for future in futures:
            error = future.exception()
            if isinstance(error, BuildError):
                failures.append(error)
            elif error is not None:
                raise error
    if failures:
        raise BuildError(str(failures[0]), {"images": result["images"], "changed": bool(result["images"])})
