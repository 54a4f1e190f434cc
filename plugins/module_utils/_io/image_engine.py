# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the engine, through Docker's own command, which alone speaks BuildKit.

Every function raises BuildError when a program fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .._core.image_build import BuildError, Request, last_lines

#: The distribution's command comes first: another one on the PATH may be newer and lack buildx.
_CANDIDATES = ("/usr/bin/docker", "docker")
#: From this version on the command leaves BuildKit to the plugin buildx.
_NEEDS_BUILDX = 23
_DPKG_OPTIONS = "etc/dpkg/dpkg.cfg.d/firstbell"


def run(
    command: list[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    timeout: float | None = None,
    secrets: Iterable[str] = (),
    what: str = "",
) -> str:
    """Run a program; its output, or a BuildError with the end of it."""
    source = os.open(stdin, os.O_RDONLY) if stdin else os.open(os.devnull, os.O_RDONLY)
    try:
        done = subprocess.run(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        output = last_lines((error.output or b"").decode(errors="replace"), secrets)
        raise BuildError(f"{what or command[0]} did not end within {timeout:.0f} seconds:\n{output}") from error
    except OSError as error:
        raise BuildError(f"{what or command[0]}: {error}") from error
    finally:
        os.close(source)
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        raise BuildError(f"{what or command[0]} failed with code {done.returncode}:\n{last_lines(output, secrets)}")
    return output


def find_command() -> str:
    """The docker command that can build with BuildKit; empty when no docker is installed at all."""
    found = [path for path in (shutil.which(name) for name in _CANDIDATES) if path]
    for path in found:
        match = re.search(r"version (\d+)", run([path, "--version"]))
        if match and int(match[1]) < _NEEDS_BUILDX:
            return path
        try:
            run([path, "buildx", "version"])
        except BuildError:
            continue
        return path
    if found:
        raise BuildError(
            f"{found[0]} cannot build with BuildKit because its plugin buildx is missing: apt-get install docker-buildx"
        )
    return ""


class Engine:
    """The images of this host's engine."""

    def __init__(self, command: str, proxies: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._proxies = dict(proxies or {})

    def is_running(self) -> bool:
        try:
            run([self._command, "version", "--format", "{{.Server.Version}}"], timeout=30)
        except BuildError:
            return False
        return True

    def sizes(self, references: Iterable[str]) -> dict[str, int]:
        """The size in bytes of each of the images that is there."""
        wanted = set(references)
        done = subprocess.run(
            [self._command, "image", "inspect", "--format", "{{json .RepoTags}} {{.Size}}", *sorted(wanted)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        found = {}
        for line in done.stdout.decode().split("\n"):
            if not line.strip():
                continue
            tags, _space, size = line.rpartition(" ")
            found.update({tag: int(size) for tag in json.loads(tags) or [] if tag in wanted})
        return found

    def build(self, request: Request, timeout: float, secrets: Iterable[str]) -> None:
        """Build from the request's context, a tar that holds its Dockerfile."""
        command = [self._command, "build", "--progress=plain", f"--tag={request.reference}"]
        command += [f"--build-arg={name}={value}" for name, value in request.build_args.items()]
        command += [f"--build-arg=BASE={request.base_reference}"]
        # Without a value they are taken from the environment, and the history of the image omits them.
        command += [f"--build-arg={name}" for name in self._proxies]
        command += [f"--secret=id={name},src={path}" for name, path in request.secrets.items()]
        command += [f"--label={label}" for label in self._labels(request)]
        if request.template:
            command += ["--file=.firstbell/Dockerfile"]
        env = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1", **self._proxies}
        if "DOCKER_CONTEXT" not in os.environ:
            env["BUILDX_BUILDER"] = "default"
        run(
            [*command, "-"],
            env=env,
            stdin=Path(request.context),
            timeout=timeout,
            secrets=secrets,
            what=f"building {request.reference}",
        )

    def bootstrap(self, request: Request, sources: Path, work: Path, timeout: float) -> None:
        """Make the base image out of the signed archive; its context is laid over it."""
        target, context = work / "root.tar", Path(request.context)
        if not shutil.which("mmdebstrap"):
            raise BuildError("mmdebstrap, which makes the base image, is missing: apt-get install mmdebstrap")
        with tarfile.open(context) as archive:
            member = archive.extractfile(_DPKG_OPTIONS)
            options = work / "dpkg.cfg"
            options.write_bytes(member.read() if member else b"")
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(request.packages)}",
                f"--dpkgopt={options}",
                f"--customize-hook=tar-in {context} /",
                '--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
                request.suite,
                str(target),
                str(sources),
            ],
            env={"TMPDIR": str(work), **self._proxies},
            timeout=timeout,
            what=f"bootstrapping {request.reference}",
        )
        target.chmod(0o600)
        changes = ['CMD ["/bin/bash"]', *(f"LABEL {label}" for label in self._labels(request))]
        flags = [f"--change={change}" for change in changes]
        run([self._command, "import", *flags, str(target), request.reference], timeout=timeout)
        target.unlink()

    @staticmethod
    def _labels(request: Request) -> list[str]:
        _repository, _colon, digest = request.reference.rpartition(":")
        return [f"org.opencontainers.image.title={request.name}", f"org.opencontainers.image.version={digest}"]

    def save(self, reference: str, target: Path, compressor: list[str]) -> None:
        """Write the image to a file; the file appears when it is complete."""
        # A cache may be shared by several hosts, so a process's number is not enough of a name.
        part = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
        try:
            with part.open("wb") as file:
                self._pipe([self._command, "save", reference], compressor, output=file.fileno())
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def load(self, source: Path, decompressor: list[str]) -> None:
        """Load what ``save`` has written."""
        self._pipe([*decompressor, str(source)], [self._command, "load", "--quiet"], output=subprocess.DEVNULL)

    @staticmethod
    def _pipe(first: list[str], second: list[str], output: int) -> None:
        with subprocess.Popen(first, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            reader = subprocess.run(second, stdin=writer.stdout, stdout=output, stderr=subprocess.PIPE, check=False)
            # The reader's end decides: a writer that is still busy then would wait for ever.
            if writer.stdout:
                writer.stdout.close()
            complaint = writer.stderr.read() if writer.stderr else b""
        if writer.returncode or reader.returncode:
            text = last_lines((complaint + reader.stderr).decode(errors="replace"))
            raise BuildError(f"{first[0]} | {second[0]} failed:\n{text}")
