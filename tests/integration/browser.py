# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser for the pages that the collection makes, and the accessibility checks of axe-core.

Chromium is Debian's; axe-core comes from npm and is never part of a page that is delivered.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from html import unescape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
AXE_VERSION = "4.11.1"
_CACHE = ROOT / ".cache" / "browser"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_PATIENCE = 120
_ASK = """
<script>%s</script>
<script>
const say = (told) => {
  const out = document.createElement('pre');
  out.id = 'axe';
  out.textContent = JSON.stringify(told);
  document.body.append(out);
};
document.querySelectorAll('details').forEach(one => one.open = true);
axe.run(document, {runOnly: %s, resultTypes: ['violations']}).then(
  found => say({violations: found.violations, passes: found.passes.length}),
  error => say({error: String(error)}));
</script>
</body>
"""


def chromium() -> str:
    """The browser's program; Debian's is installed where there is none and this is root."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    # Tests that run at the same time wait for each other.
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shutil.which("chromium") and os.geteuid() == 0:
            install = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run([*install, "update"], check=True)
            packages = ["chromium", "fonts-dejavu-core"]
            subprocess.run(
                [*install, "install", "-y", "--no-install-recommends", *packages], check=True, env=environment
            )
    found = shutil.which("chromium")
    assert found, "install Debian's package chromium"
    return found


def axe() -> str:
    """The source of axe-core."""
    package = _CACHE / f"axe-core-{AXE_VERSION}.tgz"
    if not package.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        assert shutil.which("npm"), "install npm"
        subprocess.run(["npm", "pack", f"axe-core@{AXE_VERSION}", "--silent"], cwd=_CACHE, check=True)
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file
        return file.read().decode("utf-8")


def open_page(page: Path | str, *options: str) -> str:
    """Open a page, by its file or its URL, without a window; what the browser printed."""
    url = page if isinstance(page, str) else page.as_uri()
    with tempfile.TemporaryDirectory() as profile:
        said = subprocess.run(
            [
                *(chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
                *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", *options, url),
            ],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
    return said.stdout


def violations(html: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    """What axe-core finds wrong with a page; every part that can be opened is."""
    page = folder / "asked.html"
    page.write_text(html.replace("</body>", _ASK % (axe(), json.dumps(_RULES))), encoding="utf-8")
    shown = open_page(page, "--dump-dom", *options)
    found = re.search(r'<pre id="axe">(.*?)</pre>', shown, re.DOTALL)
    assert found, "axe-core said nothing"
    told = json.loads(unescape(found[1]))
    assert "error" not in told, told
    assert told["passes"] > 10, "axe-core looked at nothing"
    return list(told["violations"])
