# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics as Prometheus reads them."""

from __future__ import annotations

from ansible_collections.firstbell.stack.plugins.module_utils._core.prometheus import Sample, render


def test_samples_of_a_name_stand_together() -> None:
    samples = [
        Sample("a_seconds", 1.5, {"type": "full", "stack": "x"}, "When"),
        Sample("b_bytes", 2**40, {}, "Size"),
        Sample("a_seconds", 0, {"type": "incr"}, "When"),
    ]
    assert render(samples) == (
        "# HELP a_seconds When\n# TYPE a_seconds gauge\n"
        'a_seconds{stack="x",type="full"} 1.5\na_seconds{type="incr"} 0\n'
        "# HELP b_bytes Size\n# TYPE b_bytes gauge\nb_bytes 1099511627776\n"
    )


def test_values_of_labels_are_escaped() -> None:
    assert render([Sample("a", 1, {"l": 'a"b\\c\nd'})]).splitlines()[-1] == r'a{l="a\"b\\c\nd"} 1'


def test_nothing_is_nothing() -> None:
    assert render([]) == ""
