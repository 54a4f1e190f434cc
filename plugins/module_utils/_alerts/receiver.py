# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told during the drill: the test receiver, and Alertmanager's way to it.

Alertmanager reads another configuration meanwhile, which the role has written beside its own. In it the alerts that are
provoked go to the test receiver only; all others go on to the people as well, since a drill does not keep
real faults away. The file of before is kept beside, and is what a second run puts back.
"""

from __future__ import annotations

import os
import secrets

from .._core.alert_drill import notices
from .._core.alert_drill.model import ANNOUNCEMENT, AUTHOR, RECEIVER, Notice
from .._core.errors import FirstbellError
from .._io import docker_cli, system
from .host import OWNER, Host, wait_until

#: Longer than the longest memory of a rule (DatabaseDeadlocks looks back 15 minutes).
_SILENCE = 1500.0
_CERTIFICATE_DAYS = "3"


class Receiver:
    """A throw-away container in the network in which Alertmanager is."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.container = f"{host.config.stack}-{RECEIVER}"
        self.place = f"{host.config.drill}/receiver"
        self.settings = f"{host.config.directory}/monitoring/alertmanager"
        self._kept = f"{host.config.drill}/alertmanager.yml"

    def start(self, alerts: tuple[str, ...]) -> None:
        """Run it, and have the alerts of these names sent to it alone."""
        place = self.host.folder(self.place)
        subject = ["-subj", f"/CN={RECEIVER}", "-addext", f"subjectAltName=DNS:{RECEIVER}"]
        files = ["-keyout", f"{place}/tls.key", "-out", f"{place}/tls.crt"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
        system.run(["openssl", "req", "-x509", *key, "-days", _CERTIFICATE_DAYS, *subject, *files])
        system.write_text(f"{place}/password", secrets.token_urlsafe(32), 0o400, OWNER)
        system.write_text(f"{place}/received.jsonl", "", 0o600, OWNER)
        for name in ("tls.key", "tls.crt"):
            os.chown(f"{place}/{name}", *OWNER)
        self._run()
        # Those of the drill before would hold back what is to arrive now.
        self.host.alertmanager().end_silences(AUTHOR)
        self._redirect(alerts)

    def _run(self) -> None:
        self._stop()
        config = self.host.config
        argv = ["docker", "run", "--detach", "--name", self.container, "--network", f"{config.stack}_edge"]
        argv += ["--network-alias", RECEIVER, "--read-only", "--cap-drop", "ALL"]
        argv += ["--memory", "96m", "--cpus", "0.2", "--pids-limit", "64"]
        argv += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
        argv += ["--mount", f"type=bind,source={self.place},target=/var/lib/receiver", config.image]
        docker_cli.run(argv)
        ready = ["docker", "exec", self.container, "http-ok", "8080", "/"]
        wait_until(lambda: system.run(ready, check=False).code == 0, 30, f"{RECEIVER} does not answer")

    def _redirect(self, alerts: tuple[str, ...]) -> None:
        text = system.read_text(f"{self.settings}/drill.yml")
        own = system.read_text(f"{self.settings}/alertmanager.yml")
        if text is None or own is None:
            raise FirstbellError(f"{self.settings}/drill.yml is not there; run the playbook site")
        if system.read_text(self._kept) is None:
            system.write_text(self._kept, own, 0o600)
        trust = self.host.folder(f"{self.settings}/drill")
        for name, source in (("ca.crt", "tls.crt"), ("password", "password")):
            content = system.read_text(f"{self.place}/{source}") or ""
            system.write_text(f"{trust}/{name}", content, 0o400, OWNER)
        wanted = text.replace("DRILLED_ALERTS", "|".join(alerts))
        system.write_text(f"{self.settings}/alertmanager.yml", wanted, 0o644, OWNER)
        self.host.reload("alertmanager", self.settings)

    def received(self) -> list[Notice]:
        """Everything that has come so far."""
        return notices.parse(system.read_text(f"{self.place}/received.jsonl") or "")

    def announce(self) -> None:
        """Tell the people, by their own ways, that what Alertmanager shows now is a drill."""
        about = (
            "An alert drill has begun: what is provoked goes to a test receiver, everything else reaches you as always"
        )
        labels = {"alertname": ANNOUNCEMENT, "severity": "warning", "component": "monitoring"}
        self.host.alertmanager().alert({**labels, "stack": self.host.config.stack}, {"summary": about})

    def end(self, alerts: tuple[str, ...]) -> None:
        """Have the people told again, but for what still fires because of the drill, and remove everything."""
        own = system.read_text(self._kept)
        if own is not None:
            if self.host.containers("alertmanager"):
                self._silence(alerts)
            system.write_text(f"{self.settings}/alertmanager.yml", own, 0o644, OWNER)
            self.host.remove(f"{self.settings}/drill")
            self.host.reload("alertmanager", self.settings)
            system.remove(self._kept)
        self._stop()
        self.host.remove(self.place)

    def _silence(self, alerts: tuple[str, ...]) -> None:
        """What only the test receiver was told of and still fires, by its labels, would be news to the people."""
        told = [one.labels for one in self.received() if one.labels and one.alert in alerts]
        for labels in self.host.firing():
            if any(labels.items() <= one.items() for one in told):
                self.host.alertmanager().silence(labels, AUTHOR, "left over from the alert drill", _SILENCE)

    def _stop(self) -> None:
        system.run(["docker", "rm", "--force", "--volumes", self.container], check=False)
