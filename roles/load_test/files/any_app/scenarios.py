# SPDX-License-Identifier: GPL-3.0-or-later
"""What every application has: its first page (S79). Write your own beside your app's source: docs/load-tests.md."""

from __future__ import annotations

from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    """Somebody who opens the site."""

    @task
    def landing(self) -> None:
        self.client.get("/", name="/")
