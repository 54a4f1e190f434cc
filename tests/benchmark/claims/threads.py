# SPDX-License-Identifier: GPL-3.0-or-later
"""UV_THREADPOOL_SIZE 16 against what the profile takes."""

from __future__ import annotations

import subprocess

from . import lab
from .model import Claim, Outcome, Rounds, apart, changed, check, reduction, spreads

CLAIM = Claim(
    name="threads",
    claimed="UV_THREADPOOL_SIZE=16 for better asynchronous I/O (S3)",
    how="Node.js on 2 CPUs: 48 password checks (scrypt) and 4000 files read, all at once; time until the last",
    unit="ms",
    variants={"naive": "16 threads", "ours": "4 threads, twice the CPUs"},
    rows="S3",
)
PROGRAM = """
const { scrypt } = require('node:crypto'), { readFile } = require('node:fs/promises')
const check = () => new Promise((done) => scrypt('password', 'salt', 32, { N: 16384 }, done))
const many = (count, make) => Promise.all(Array.from({ length: count }, make))
many(4, check).then(async () => {
  const began = process.hrtime.bigint()
  await Promise.all([many(48, check), many(4000, () => readFile('/etc/passwd'))])
  console.log(Number(process.hrtime.bigint() - began) / 1e6)
})
"""


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant, threads in (("naive", 16), ("ours", 4)):
            done = subprocess.run(
                ["node", "-e", PROGRAM],
                env={"UV_THREADPOOL_SIZE": str(threads), "PATH": "/usr/local/bin:/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=True,
            )
            found[variant].append(float(done.stdout))
    return found


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    # The claim is that 16 are faster than fewer.
    gain = reduction(rounds, naive="ours", ours="naive")
    holds = gain > 0 and apart(rounds, naive="ours", ours="naive")
    return Outcome("holds" if holds else "does not hold", f"16 threads: {changed(gain)} time; {spreads(CLAIM, rounds)}")
