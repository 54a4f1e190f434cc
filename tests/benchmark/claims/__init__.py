# SPDX-License-Identifier: GPL-3.0-or-later
"""The claims of the documents, each as an experiment: `run.py` runs them, `table.py` writes docs/benchmarks.md."""
