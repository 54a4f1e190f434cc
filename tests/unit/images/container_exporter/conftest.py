# SPDX-License-Identifier: GPL-3.0-or-later
"""The exporter's own modules lie beside its Dockerfile, not in the collection."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[4] / "images" / "container-exporter" / "container_exporter"))
