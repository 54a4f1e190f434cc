# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that counts its requests, and says who it is."""

import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
counted = [0]


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        counted[0] += self.path == "/work"
        text = f"app_requests_total {counted[0]}\n" if self.path == "/metrics" else socket.gethostname()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("", 3000), Pages).serve_forever()
