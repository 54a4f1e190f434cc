# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the overview of a living stack in Chromium; fails where it does not show what it should, or not to everybody.

    overview_page.py ADDRESS DOMAIN AUTHORITY PATH USER SCREENSHOT <PASSWORD

The password comes on standard input. Chromium takes none but by hand, so that it asks a proxy on this machine which
adds it.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests"))

from integration.browser import open_page, violations

WINDOW = "--window-size=1500,2600"
NIGHT = "--blink-settings=preferredColorScheme=0"
#: An empty page of that size is smaller.
LEAST_BYTES = 60_000


def proxy(address: str, domain: str, authority: str, credentials: str) -> ThreadingHTTPServer:
    """Serves the site on this machine, signed in."""
    context = ssl.create_default_context(cafile=authority)

    class Site(http.client.HTTPSConnection):
        def connect(self) -> None:
            self.sock = context.wrap_socket(socket.create_connection((address, 443), 30), server_hostname=domain)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site = Site(domain)
            site.request("GET", self.path, headers={"Authorization": f"Basic {credentials}"})
            answer = site.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"] or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            site.close()

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def wrong(page: str, bytes_of_picture: int) -> list[str]:
    """What the page does not show."""
    found = []
    if 'data-drawn="yes"' not in page:
        found.append("it was never drawn to its end")
    state = re.search(r'<span class="state ([a-z]+)" id="state">([^<]*)', page)
    if not state or state[1] not in ("good", "warn", "bad") or "does not answer" in state[2]:
        found.append(f"its state is {state and state[2]}")
    for name in ("stat", "bars", "chart"):
        shown = len(re.findall(rf'<div class="{name}"><(?:div|svg)', page))
        wanted = len(re.findall(rf'<section class="card {name}">', page))
        if not wanted or shown != wanted:
            found.append(f"{shown} of {wanted} panels of the kind {name} show something")
    if bytes_of_picture < LEAST_BYTES:
        found.append(f"the picture of it has {bytes_of_picture} bytes only")
    return found


def main(arguments: list[str]) -> None:
    address, domain, authority, path, user, screenshot = arguments
    credentials = base64.b64encode(f"{user}:{sys.stdin.read().strip()}".encode()).decode()
    url = f"http://127.0.0.1:{proxy(address, domain, authority, credentials).server_port}{path}"
    page = open_page(url, "--dump-dom", WINDOW)
    open_page(url, f"--screenshot={screenshot}", WINDOW)
    found = wrong(page, Path(screenshot).stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        # What has been drawn, without what draws it.
        drawn = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        for light in ((), (NIGHT,)):
            found += [
                f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in violations(drawn, Path(folder), *light)
            ]
    if found:
        sys.exit("\n".join(found))
    print(f"{len(re.findall('<section', page))} panels, {re.search('id=.state.>([^<]*)', page)[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
