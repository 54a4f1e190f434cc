# SPDX-License-Identifier: GPL-3.0-or-later
"""Receives webhooks of Alertmanager on port 8099 and appends them, with the time, to a file of JSON lines."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = json.dumps({"at": time.time(), "path": self.path, "alerts": body["alerts"]})
        with Path(sys.argv[1]).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.send_response(200)
        self.end_headers()


Path(sys.argv[1]).touch()
ThreadingHTTPServer(("", 8099), Receiver).serve_forever()
