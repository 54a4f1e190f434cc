# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, directories, accounts and commands of the host."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.directories import Change, Directory, Found
from .._core.errors import FirstbellError, InputError

#: Seconds after it has read a file in which a program is not said to lack what was changed.
_READ_ROOM = 2


class CommandError(FirstbellError):
    """A program of the host ended with an error."""


class CommandTimeoutError(CommandError):
    """A program of the host was ended because it took too long."""


@dataclass(frozen=True)
class Result:
    """What a command said."""

    code: int
    out: str
    err: str


def run(argv: Sequence[str], stdin: str | None = None, timeout: float = 120, check: bool = True) -> Result:
    """Run a program without a shell. With ``check``, an exit code other than 0 is a CommandError."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            # Whatever an administrator's docker speaks to, this is for the host's own engine.
            env={"DOCKER_CONTEXT": "default", **os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise CommandTimeoutError(f"{argv[0]} took longer than {timeout:g} s") from error
    except OSError as error:
        raise CommandError(f"{argv[0]} could not be run: {error}") from error
    result = Result(done.returncode, done.stdout, done.stderr)
    return succeeded(argv, result) if check else result


def succeeded(argv: Sequence[str], result: Result) -> Result:
    """The same result, or a CommandError for an exit code other than 0."""
    if result.code:
        said = (result.err or result.out).strip()
        raise CommandError(f"{' '.join(argv)} failed with exit code {result.code}: {said}")
    return result


def lines(argv: Sequence[str]) -> list[str]:
    """The lines that a program prints, whatever its exit code."""
    return run(argv, stdin="", check=False).out.splitlines()


def find_program(name: str) -> str | None:
    """The full path of a program, also from the directories of the administrator."""
    places = [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    return shutil.which(name, path=os.pathsep.join(places))


def read_text(path: str) -> str | None:
    """The content of a file, None where there is none. What is no UTF-8 is not the same as any text that is wanted."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def stage_text(path: str, content: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> str:
    """Write a file beside its place, from where ``os.replace`` puts it there; it is on the disk when this returns."""
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".firstbell-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def write_text(path: str, content: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace a file in one step; it is on the disk when this returns. ``owner`` is user and group."""
    temporary = stage_text(path, content, mode, owner)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def remove(path: str) -> None:
    """Remove a file that may already be gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def modified_at(path: str) -> float:
    """When a file was last written, in seconds since 1970; 0 where there is none."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def changed_at(path: str) -> float:
    """When a file was written or put there, in seconds since 1970; 0 where there is none.

    Who puts an old file back with its old time (``cp -p``, ``mv``) has changed it now: only the kernel's own time
    of the change tells.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0.0
    return max(found.st_mtime, found.st_ctime)


def changed_after(path: str, read: float) -> bool:
    """Whether a file was changed after a program has read it, in seconds since 1970."""
    return changed_at(path) > read + _READ_ROOM


def user_id(name: str) -> int:
    """The number of a user given by name or number."""
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InputError(f'there is no user "{name}" on this host; give the number, or create it first') from None


def group_id(name: str) -> int:
    """The number of a group given by name or number."""
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise InputError(f'there is no group "{name}" on this host; give the number, or create it first') from None


def find_directory(path: str) -> Found:
    """What is at a path."""
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno == errno.ENOTDIR or os.path.islink(path):
            return Found("other")
        if error.errno == errno.ENOENT:
            return Found("absent")
        raise
    kind = "directory" if stat.S_ISDIR(status.st_mode) else "other"
    return Found(kind, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def apply_directory(change: Change) -> None:
    """Take one step of a plan of directories."""
    wanted: Directory = change.wanted
    if change.what == "create":
        os.makedirs(wanted.path, mode=0o755, exist_ok=True)
    if change.what in ("create", "owner"):
        os.chown(wanted.path, wanted.owner, wanted.group)
    os.chmod(wanted.path, wanted.mode)


def write_kernel_value(path: str, value: str) -> str:
    """Write a setting below /proc/sys; the reason as a text when the kernel does not take it, else ""."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def may_write_kernel_value(path: str) -> bool:
    """Whether the kernel takes a new value at all; in a container much is read-only, even for root."""
    return bool(os.stat(path).st_mode & 0o222) and os.access(path, os.W_OK)


def read_kernel_value(path: str) -> str | None:
    """A setting below /proc/sys, None where the kernel does not have it."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None
