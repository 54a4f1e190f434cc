#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the stages of the test suite and counts what was really tested.

    tests/run.py [STAGE ...]     all stages, or the named ones ("lint", "molecule/edge")

A stage is a command. Of pytest's the tests are counted, of every other the stage
itself. A stage that ran no test has failed. The last line is the count.

Stages on virtual hosts wait more than they work, so that three stages run at a time: what
each printed is shown when it has ended, and kept in .cache/reports meanwhile.

A machine may be too slow for all of it within the time that there is: FIRSTBELL_TEST_MINUTES says
how many minutes that are. A stage that would not end by then does not begin, is named, and counts as skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
REPORTS = ROOT / ".cache" / "reports"
#: By how the names of their files begin; the other files are a part as well.
PARTS = {
    "postgresql": ("test_pg_", "test_prisma_"),
    "engine": ("test_container_", "test_files_", "test_image_", "test_load_", "test_night_", "test_swarm_"),
}
#: How many stages run at a time after these.
LANES = 3
QUICK = ("lint/ruff", "lint/format", "lint/mypy", "lint/yamllint", "lint/changelog")
#: It makes what the other scenarios share, the images and the network, and so runs before them.
FIRST_SCENARIO = "molecule/sandbox_host"
#: Where Ansible says that a task failed, and how many lines are shown before that and after it.
TASK_FAILED = re.compile(r"(fatal|failed): \[")
#: What names the failure in a line: Ansible's or pytest's.
REASON = re.compile(r"FAILED (?!- RETRYING)|ERROR ")
BEFORE, AFTER = 4, 40
#: The longest go first, so that no lane waits for them in the end, then what says most; last what is tested twice.
FIRST = (
    "molecule/site_one_host",
    "integration/postgresql",
    "unit",
    "lint/ansible-lint",
    "integration/engine",
    "integration/others",
    "lint/sanity",
    "molecule/monitoring",
    "tarball",
    "molecule/backup",
)
LAST = ("units",)
#: About how many seconds on a slow machine (2 CPUs, three lanes); this one's speed shows in the stages that have ended.
SECONDS = {
    "molecule/site_one_host": 2400,
    "integration/postgresql": 1150,
    "integration/engine": 1000,
    "integration/others": 900,
    "unit": 300,
    "units": 400,
    "tarball": 200,
    "lint/ansible-lint": 400,
    "lint/sanity": 260,
    "molecule/monitoring": 1200,
    "molecule/app": 1200,
    "molecule/backup": 1200,
}
OTHERS_SECONDS = 900


@dataclass(frozen=True)
class Count:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def pytest_count(report: Path, status: int) -> Count:
    """Read pytest's own report; no report or no test is a failure."""
    if not report.exists():
        return Count(failed=1)
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    passed = total - failed - skipped
    if (status != 0 and failed == 0) or passed + failed == 0:
        failed += 1
    return Count(passed, failed, skipped)


def scenarios() -> list[str]:
    """Name the Molecule scenarios; the shared ones have no platform of their own."""
    return sorted(path.parent.name for path in (ROOT / "extensions" / "molecule").glob("*/molecule.yml"))


def integration() -> dict[str, list[str]]:
    """The files of the tests with real servers, in parts that take about as long as each other."""
    parts: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests" / "integration").glob("test_*.py")):
        name = next((name for name, begins in PARTS.items() if path.name.startswith(begins)), "others")
        parts.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return parts


def stages() -> dict[str, list[str]]:
    """Name every stage and its command, in the order of their cost."""
    found = {
        "lint/ruff": ["ruff", "check", "."],
        "lint/format": ["ruff", "format", "--check", "."],
        "lint/mypy": ["mypy"],
        "lint/yamllint": ["yamllint", "--strict", "."],
        "unit": ["pytest", "tests/unit", "tests/repo"],
        "lint/ansible-lint": ["ansible-lint"],
        "lint/changelog": ["antsibull-changelog", "lint"],
        "lint/sanity": [sys.executable, "tests/sanity_and_units.py", "sanity"],
        "units": [sys.executable, "tests/sanity_and_units.py", "units"],
        **{f"integration/{name}": ["pytest", *files] for name, files in integration().items()},
        "tarball": [sys.executable, "tests/tarball.py"],
    }
    found.update({f"molecule/{name}": ["molecule", "test", "-s", name] for name in scenarios()})
    return found


def kept(name: str, kind: str) -> Path:
    """The file that keeps what a stage told: "xml" for pytest's report, "log" for what it printed."""
    return REPORTS / f"{name.replace('/', '-')}.{kind}"


def run(name: str, command: list[str], *, shown: bool = True) -> Count:
    """Run one stage and count; what it prints is shown at once, or when it has ended."""
    report, log = kept(name, "xml"), kept(name, "log")
    report.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    is_pytest = command[0] == "pytest"
    arguments = [*command, f"--junitxml={report}"] if is_pytest else command
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "NO_COLOR": "1",
    }
    print(f"\n=== {name}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    if shown:
        status = subprocess.run(arguments, cwd=ROOT, env=environment, check=False).returncode
    else:
        with log.open("wb") as stream:
            status = subprocess.run(
                arguments, cwd=ROOT, env=environment, check=False, stdout=stream, stderr=subprocess.STDOUT
            ).returncode
        print(log.read_text(encoding="utf-8", errors="replace"), flush=True)
    count = pytest_count(report, status) if is_pytest else Count(passed=int(status == 0), failed=int(status != 0))
    verdict = "ok" if count.failed == 0 else "FAILED"
    print(f"=== {name}: {verdict}, {count.passed} passed, {time.monotonic() - started:.0f} s", flush=True)
    return count


def turn(name: str) -> tuple[int, str]:
    """By what the stages are ordered."""
    return FIRST.index(name) if name in FIRST else len(FIRST) + (name in LAST), name


@dataclass
class Clock:
    """Knows whether a stage will end in time, from how long those before it took."""

    deadline: float
    spent: float = 0.0
    expected: float = 0.0

    def has_time(self, name: str) -> bool:
        slowness = self.spent / self.expected if self.expected else 1.0
        return time.monotonic() + slowness * SECONDS.get(name, OTHERS_SECONDS) < self.deadline

    def run(self, name: str, command: list[str]) -> Count | None:
        """Run a stage, or None where it would not end in time."""
        if not self.has_time(name):
            print(f"\n=== {name}: not begun, there is no time left for it", flush=True)
            return None
        started = time.monotonic()
        count = run(name, command, shown=False)
        self.spent += time.monotonic() - started
        self.expected += SECONDS.get(name, OTHERS_SECONDS)
        return count


def run_all(wanted: dict[str, list[str]], deadline: float) -> dict[str, Count | None]:
    """Run the quick stages and the first scenario one by one, the others in lanes."""
    clock = Clock(deadline)
    one_by_one = [name for name in wanted if len(wanted) == 1 or name in QUICK or name == FIRST_SCENARIO]
    counts: dict[str, Count | None] = {name: run(name, wanted[name]) for name in one_by_one}
    in_lanes = sorted(wanted.keys() - counts.keys(), key=turn)
    with ThreadPoolExecutor(LANES) as pool:
        running = {pool.submit(clock.run, name, wanted[name]): name for name in in_lanes}
        counts.update({running[done]: done.result() for done in as_completed(running)})
    return counts


def excerpt(log: Path) -> str:
    """Where it failed: around the last task that did, or else the end."""
    if not log.exists():
        return "see above"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    places = [number for number, line in enumerate(lines) if TASK_FAILED.match(line)]
    start = max(0, places[-1] - BEFORE) if places else -AFTER
    return "\n".join(line[:2000] for line in lines[start:][: BEFORE + AFTER])


def reason(log: Path) -> str:
    """The last lines that name a failure, for the very end of the output: often that is all that is kept."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    task, block, others = "", [], []
    is_failing = False
    for line in lines:
        if line.startswith("TASK ["):
            task = line.rstrip(" *")
        if TASK_FAILED.match(line):
            # Only the last one: those before it were retried, or rescued.
            is_failing, block = True, [f"{task} {line}"]
        elif is_failing and line.startswith(" "):
            block.append(line.rstrip())
        elif line:
            is_failing = False
            others += [line] if REASON.match(line) else []
    told = [*block[:1], *[line for line in block[1:] if "<omitted>" not in line][-6:]] or others[-3:]
    return "".join(f"\n  {line[:300]}" for line in told)


def main(arguments: list[str]) -> int:
    """Run the wanted stages, all of them by default, and print the count."""
    available = stages()
    wanted = [
        name for name in available if not arguments or any(re.fullmatch(f"{one}(/.*)?", name) for one in arguments)
    ]
    if not wanted:
        print(f"no stage of that name; there are: {', '.join(available)}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    minutes = float(os.environ.get("FIRSTBELL_TEST_MINUTES") or "inf")
    counts = run_all({name: available[name] for name in wanted}, time.monotonic() + 60 * minutes)
    total = sum((count or Count(skipped=1) for count in counts.values()), Count())
    failed = [name for name, count in counts.items() if count and count.failed]
    late = [name for name, count in counts.items() if count is None]
    for name in failed:
        print(f"\n=== {name} failed here:\n{excerpt(kept(name, 'log'))}")
    if late:
        print(f"\nskipped, since they would not have ended within {minutes:g} minutes: {', '.join(sorted(late))}")
    if failed:
        print("\nfailed stages:", *(f"{name}{reason(kept(name, 'log'))}" for name in failed), sep="\n")
    print(f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
