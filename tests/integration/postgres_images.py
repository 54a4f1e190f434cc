# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with PostgreSQL and PgBouncer of Debian's suites, to run test servers of several versions.

An image is made once, in about a quarter of a minute, from the mirror that the machine's own apt
uses, and found again by its tag. Packages are only unpacked: nothing of them is started or set up.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.firstbell.stack.plugins.module_utils._core import apt_sources  # noqa: E402
from ansible_collections.firstbell.stack.plugins.module_utils._io import apt_sources as host  # noqa: E402

REPOSITORY = "firstbell/test-postgres"
#: The suite that has each version; 14 and 16 are in none.
SUITES = {13: "bullseye", 15: "bookworm", 17: "trixie", 18: "forky"}
PACKAGES = ("postgresql-{major}", "pgbouncer", "dash", "coreutils", "libc-bin", "base-files")
# Without its library PostgreSQL goes on without JIT.
UNNEEDED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "usr/share/perl*", "usr/include"),
    *("usr/bin/perl*", "usr/lib/*/perl*", "usr/lib/*/libperl*", "usr/lib/*/libLLVM*", "usr/lib/*/libz3*"),
    *("usr/lib/systemd", "usr/lib/*/systemd", "usr/lib/postgresql/*/lib/llvmjit*", "usr/lib/postgresql/*/lib/bitcode"),
)


def image(major: int) -> str:
    """The image with this version of PostgreSQL, made now where the engine lacks it."""
    if major not in SUITES:
        raise RuntimeError(f"no suite of Debian has PostgreSQL {major}; there are {sorted(SUITES)}")
    recipe = json.dumps([SUITES[major], major, PACKAGES, UNNEEDED])
    reference = f"{REPOSITORY}:{major}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    found = subprocess.run(["docker", "image", "inspect", reference], capture_output=True, check=False)
    if found.returncode:
        _make(major, reference)
    return reference


def _make(major: int, reference: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise RuntimeError("mmdebstrap, which makes the images of the test servers, is missing: apt-get install it")
    mirrors = apt_sources.find_mirrors(host.read_sources(), host.read_apt_options())
    if not mirrors.main:
        raise RuntimeError("this machine's apt knows no Debian archive to make the images of the test servers from")
    # The suite itself is enough for a test. A mirror that lags has its signature checked all the same.
    options = "".join(
        f"{name}: {value}\n" for name, value in sorted({**mirrors.options, "Check-Valid-Until": "no"}.items())
    )
    sources = (
        f"Types: deb\nURIs: {mirrors.main}\nSuites: {SUITES[major]}\nComponents: main\n"
        f"Signed-By: {apt_sources.KEYRING}\n{options}"
    )
    with tempfile.TemporaryDirectory(prefix="firstbell-test-postgres-") as name:
        work = Path(name)
        work.chmod(0o711)
        (work / "apt.sources").write_text(sources, encoding="utf-8")
        bootstrap = [
            *("mmdebstrap", "--quiet", "--variant=extract"),
            f"--include={','.join(PACKAGES).format(major=major)}",
            f'--extract-hook=cd "$1" && rm -rf {" ".join(UNNEEDED)}',
            *(SUITES[major], "-", str(work / "apt.sources")),
        ]
        with subprocess.Popen(bootstrap, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as making:
            load = ["docker", "import", "--change", "LABEL org.firstbell.test=postgres", "-", reference]
            loaded = subprocess.run(load, stdin=making.stdout, capture_output=True, text=True, check=False)
            assert making.stderr is not None
            said = making.stderr.read().decode(errors="replace")
    if making.returncode or loaded.returncode:
        subprocess.run(["docker", "rmi", "-f", reference], capture_output=True, check=False)
        raise RuntimeError(f"{reference} cannot be made: {said[-2000:]}{loaded.stderr}")


def bindir(reference: str) -> str:
    """The directory of the server's programs in any image, found without starting anything."""
    container = subprocess.run(
        ["docker", "create", reference, "-"], capture_output=True, text=True, check=True
    ).stdout.strip()
    try:
        with subprocess.Popen(
            ["docker", "cp", f"{container}:/usr/lib/postgresql", "-"], stdout=subprocess.PIPE
        ) as copying:
            listed = subprocess.run(["tar", "-t"], stdin=copying.stdout, capture_output=True, text=True, check=True)
    finally:
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=False)
    found = re.findall(r"^postgresql/(\d+)/bin/postgres$", listed.stdout, flags=re.MULTILINE)
    if not found:
        raise RuntimeError(f"{reference} has no /usr/lib/postgresql/<n>/bin/postgres")
    return f"/usr/lib/postgresql/{max(found, key=int)}/bin"
