# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files out of an image, by way of a container that is created and never started."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Any

from .._core.errors import FirstbellError

try:
    import docker
    import docker.errors

    MISSING = ""
except ImportError as error:
    MISSING = str(error)

# More than any folder of text files holds, and little enough to keep in memory.
_LIMIT = 64 * 1024 * 1024


class ImageError(FirstbellError):
    """The files cannot be had from the image."""


def read_folder(image: str, path: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files under ``path`` that are ``wanted``, by their path inside it. The container is removed again."""
    if MISSING:
        raise ImageError(
            f"the Python library docker is missing on this host ({MISSING}): install the package python3-docker"
        )
    client = docker.from_env()
    try:
        return _read(client, image, path, wanted)
    except docker.errors.ImageNotFound:
        raise ImageError(f"the image {image} is not on this host: build, load or pull it first") from None
    except docker.errors.NotFound:
        raise ImageError(f"the image {image} has no {path}: set image_path to where it is") from None
    except docker.errors.DockerException as error:
        raise ImageError(f"the Docker engine gives no files out of {image}: {error}") from None
    finally:
        client.close()


def _read(client: Any, image: str, path: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    # The command is never run; an image without one of its own needs some.
    container = client.containers.create(image, command=["-"], network_disabled=True)
    try:
        chunks, _stat = container.get_archive(path.rstrip("/") + "/.")
        content = io.BytesIO()
        for chunk in chunks:
            content.write(chunk)
            if content.tell() > _LIMIT:
                raise ImageError(f"{path} of {image} holds more than {_LIMIT >> 20} MB: is that the right folder?")
    finally:
        container.remove(v=True, force=True)
    content.seek(0)
    with tarfile.open(fileobj=content) as archive:
        return dict(_members(archive, wanted))


def _members(archive: tarfile.TarFile, wanted: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    found = []
    for member in archive:
        name = member.name.removeprefix("./")
        file = archive.extractfile(member) if member.isfile() and wanted(name) else None
        if file is not None:
            found.append((name, file.read()))
    return found
