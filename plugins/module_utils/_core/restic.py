# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic says, and what it means. Its exit status alone is never a verdict.

Measured with restic 0.18: a path that is not there is left out of a backup with status 0; a check
that does not read the data finds no flipped byte; a snapshot that somebody deleted is missed by no check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import FirstbellError

#: Exit statuses of restic, see restic(1).
NO_REPOSITORY, LOCKED, WRONG_KEY = 10, 11, 12
INCOMPLETE = 3

#: What restic's or the store's words mean, the first that fits.
_WORDS = (
    ("full", r"no space left on device|disk quota exceeded"),
    ("denied", r"Access Denied|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|403 Forbidden|key Id .*not exist"),
    ("certificate", r"x509:|tls: failed to verify"),
    (
        "unreachable",
        r"dial tcp|connection re(fused|set)|i/o timeout|no such host|no route to host|network is unreachable",
    ),
    (
        "unreachable",
        r"50[0-9] |Service Unavailable|SlowDown|TLS handshake timeout|unexpected EOF|context deadline exceeded",
    ),
)


class ResticError(FirstbellError):
    """restic did not do what it was told; ``kind`` says why in one word."""

    def __init__(self, message: str, kind: str = "failed") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Answer:
    """What one command said: its exit status, its JSON documents, other lines, and its complaints."""

    code: int
    documents: tuple[Any, ...]
    complaints: tuple[str, ...]
    words: tuple[str, ...] = ()

    def first(self, kind: str) -> Mapping[str, Any] | None:
        """The first document of that message type."""
        return next((d for d in self.documents if isinstance(d, dict) and d.get("message_type") == kind), None)


@dataclass(frozen=True)
class Snapshot:
    """One backup of one component. ``time`` in seconds since 1970; ``original`` is its id where it was made."""

    id: str
    time: float
    component: str
    paths: tuple[str, ...]
    size: int = 0
    original: str = ""

    @property
    def origin(self) -> str:
        """The id by which copies of it in all repositories are known."""
        return self.original or self.id


@dataclass(frozen=True)
class Saved:
    """What a backup put into the repository, in bytes."""

    snapshot: str
    files: int
    size: int
    added: int


@dataclass(frozen=True)
class Lock:
    """Somebody who works in the repository, or did. ``age`` in seconds."""

    host: str
    process: int
    exclusive: bool
    age: float


def parse(code: int, out: str, err: str) -> Answer:
    """Read both streams: a document each, or one to a line, and words."""
    documents: list[Any] = []
    complaints: list[str] = []
    words: list[str] = []
    for text, others in ((out, words), (err, complaints)):
        whole = _document(text)
        lines = [text] if whole is not None else text.splitlines()
        for line in lines:
            document = _document(line)
            if document is None:
                others.extend([line.strip()] if line.strip() else [])
            elif isinstance(document, dict) and document.get("message_type") in ("error", "exit_error"):
                complaints.append(_complaint(document))
            else:
                documents.append(document)
    return Answer(code, tuple(documents), tuple(complaints), tuple(words))


def _document(line: str) -> Any:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, (dict, list)) else None


def _complaint(document: Mapping[str, Any]) -> str:
    error = document.get("error")
    text = str(document.get("message") or (error.get("message") if isinstance(error, dict) else error) or "").strip()
    item = document.get("item")
    return f"{item}: {text}" if item else text


def kind_of(answer: Answer) -> str:
    """Why a command failed, in one word."""
    known = {NO_REPOSITORY: "missing", LOCKED: "locked", WRONG_KEY: "key"}
    if answer.code in known:
        return known[answer.code]
    said = "\n".join(answer.complaints)
    return next((kind for kind, words in _WORDS if re.search(words, said)), "failed")


def require(answer: Answer, what: str) -> Answer:
    """The answer, if the command succeeded; otherwise ResticError with its own words."""
    if answer.code == 0:
        return answer
    said = "; ".join(" ".join(text.split()) for text in answer.complaints[-3:]) or "it said nothing"
    raise ResticError(f"{what} failed (status {answer.code}): {said}", kind_of(answer))


def saved(answer: Answer, what: str) -> Saved:
    """The verdict on a backup: complete, or ResticError naming what is not in it."""
    if answer.code not in (0, INCOMPLETE):
        require(answer, what)
    summary = answer.first("summary")
    if answer.code == INCOMPLETE or answer.complaints:
        raise ResticError(f"{what} is not complete: {'; '.join(answer.complaints[:5])}", "incomplete")
    if summary is None or not summary.get("snapshot_id"):
        raise ResticError(f"{what} ended without a word of what it saved", "incomplete")
    return Saved(
        snapshot=str(summary["snapshot_id"]),
        files=int(summary["total_files_processed"]),
        size=int(summary["total_bytes_processed"]),
        added=int(summary.get("data_added_packed", summary["data_added"])),
    )


def findings(answer: Answer) -> tuple[str, ...]:
    """What a check found. Whole is only what the summary, the complaints and the status all call whole."""
    found = [" ".join(text.split()) for text in answer.complaints]
    found = [text for text in found if not re.match("(The repository contains|restic repair|Damaged pack files)", text)]
    summary = answer.first("summary")
    if summary is None:
        return (*found, f"the check ended without a verdict (status {answer.code})")
    packs = summary.get("broken_packs") or ()
    found += [f"damaged: data/{pack[:2]}/{pack}" for pack in packs]
    if (answer.code or summary.get("num_errors")) and not found:
        found.append(f"{summary.get('num_errors', 0)} errors (status {answer.code})")
    return tuple(dict.fromkeys(found))


def snapshots(answer: Answer) -> tuple[Snapshot, ...]:
    """The answer to ``snapshots --json``, the oldest first; raises ResticError."""
    listed = next((document for document in answer.documents if isinstance(document, list)), None)
    if listed is None:
        raise ResticError("the list of snapshots cannot be read")
    return _in_order(listed)


def _in_order(items: Iterable[Mapping[str, Any]]) -> tuple[Snapshot, ...]:
    try:
        found = [
            Snapshot(
                id=item["id"],
                time=moment(item["time"]),
                component=(item.get("tags") or [""])[0],
                paths=tuple(item["paths"]),
                size=int((item.get("summary") or {}).get("total_bytes_processed", 0)),
                original=item.get("original") or "",
            )
            for item in items
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ResticError(f"the list of snapshots cannot be read ({error!r})") from None
    return tuple(sorted(found, key=lambda snapshot: (snapshot.time, snapshot.id)))


def _groups(answer: Answer, what: str) -> list[Mapping[str, Any]]:
    groups = next((document for document in answer.documents if isinstance(document, list)), [])
    return [item for group in groups for item in group.get(what) or ()]


def forgotten(answer: Answer) -> tuple[str, ...]:
    """Ids of the snapshots that ``forget --json`` removed."""
    return tuple(str(item["id"]) for item in _groups(answer, "remove"))


def kept(answer: Answer) -> tuple[Snapshot, ...]:
    """The snapshots that ``forget --json`` left, the oldest first; raises ResticError."""
    return _in_order(_groups(answer, "keep"))


def lock(document: Mapping[str, Any], now: float) -> Lock:
    """The answer to ``cat lock``."""
    return Lock(
        host=str(document.get("hostname", "")),
        process=int(document.get("pid", 0)),
        exclusive=bool(document.get("exclusive")),
        age=max(0.0, now - moment(str(document["time"]))),
    )


#: restic renews a lock that it uses every five minutes, and takes one of half an hour for dead.
STALE_AFTER = 1800.0


def may_unlock(locks: Sequence[Lock], me: str) -> bool:
    """Whether all locks may be removed by who already keeps every other command of this host out.

    A lock of this host is then that of a dead one. Process ids prove nothing: each container has its own.
    """
    return all(item.host == me or item.age > STALE_AFTER for item in locks)


def moment(text: str) -> float:
    """Seconds since 1970 of a time as restic writes it, with nanoseconds."""
    whole, fraction, zone = _split_time(text)
    return datetime.fromisoformat(whole + zone).timestamp() + float(f"0{fraction or '.0'}")


def _split_time(text: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        raise ValueError(f"{text!r} is no time")
    return match.group(1), match.group(2) or "", "+00:00" if match.group(3) == "Z" else match.group(3)
