# SPDX-License-Identifier: GPL-3.0-or-later
"""The first bell: people arrive and sign in, others work, scanners scan, readers read (S77 to S81, S96).

A scenario is a task of Locust. The role load_test starts each at its rate and measures it; how, is in
docs/load-tests.md. ``prepare.sql`` makes the users and students that these tasks speak of, ``clean.sql`` removes them.
"""

from __future__ import annotations

from typing import Any

from locust import FastHttpUser, task

#: As in prepare.sql.
CLASS_SESSION = 2_000_000_001


def expect(client: Any, method: str, path: str, *statuses: int, **options: Any) -> Any:
    """A request whose answer has one of these statuses; a redirect to the sign-in page is no success."""
    with client.request(method, path, name=path, catch_response=True, allow_redirects=False, **options) as answer:
        if answer.status_code in statuses:
            answer.success()
        elif answer.status_code:
            answer.failure(f"HTTP {answer.status_code}")
        return answer


class Person(FastHttpUser):
    """Signs in by JSON as the scanners do; the cookie is kept."""

    abstract = True

    def authenticate(self) -> None:
        run = self.environment.load_test
        name = f"load-test-{self.number % run.users + 1}"
        expect(self.client, "POST", "/api/auth/signin", 200, json={"username": name, "password": run.password})

    def leave(self) -> None:
        """Signing out wants the token that proves that no other site has sent it."""
        answer = expect(self.client, "GET", "/api/auth/csrf", 200)
        token = answer.json()["csrfToken"]
        expect(self.client, "POST", "/api/auth/signout", 200, 302, data={"csrfToken": token, "json": "true"})


class Newcomer(Person):
    """Comes, does one thing and goes: each arrival is another person with a connection of their own."""

    once = True
    signed_in = False

    @task
    def morning_peak(self) -> None:
        expect(self.client, "GET", "/", 200)
        expect(self.client, "GET", "/login", 200)
        self.authenticate()
        self.signed_in = True
        expect(self.client, "GET", "/dashboard", 200)

    @task
    def sign_in(self) -> None:
        self.authenticate()
        self.signed_in = True

    @task
    def login_page(self) -> None:
        expect(self.client, "GET", "/login", 200)

    def on_stop(self) -> None:
        if self.signed_in:
            self.leave()


class Teacher(Person):
    """Is signed in all the time."""

    def on_start(self) -> None:
        self.authenticate()

    @task
    def dashboard(self) -> None:
        expect(self.client, "GET", "/dashboard", 200)

    @task
    def scan(self) -> None:
        """Each card once, as long as there are enough: then it costs an insert and not a look."""
        run = self.environment.load_test
        card = (next(run.cards) - 1) % run.students + 1
        body = {"admissionNumber": f"LOAD-TEST-{card}", "sessionId": CLASS_SESSION}
        expect(self.client, "POST", "/api/scan", 200, 201, json=body)

    @task
    def read_book(self) -> None:
        expect(self.client, "GET", "/api/books/sample.pdf", 200)

    def on_stop(self) -> None:
        self.leave()
