# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that are written down. What is dated ahead, by a clock that was wrong, would count as young for ever."""

from __future__ import annotations

from .units import format_duration

#: Seconds by which a clock that is set right may go back.
AHEAD = 300


def ahead(now: float, then: float) -> str:
    """How far ahead a time is; nothing where it is not."""
    return f"dated {format_duration(round(then - now))} ahead; see the host's clock" if then - now > AHEAD else ""


def is_young(now: float, then: float, most: float) -> bool:
    """Whether something is no older than that, and not of a time to come."""
    return -AHEAD <= now - then < most
