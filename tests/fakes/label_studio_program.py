"""Stands in for the label-studio program: listens on the port it is given, or misbehaves.

Files beside it steer it, since its environment is cleaned: ``moves`` makes the first start take
another port, as Label Studio does where its port is taken; ``fails`` makes it end with a message.
Each start adds a line to ``starts``.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Healthy(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main(port: int, here: Path) -> None:
    """Serve until ended."""
    with (here / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if (here / "fails").exists():
        sys.exit("no space left on device")
    if (here / "moves").exists():
        (here / "moves").unlink()
        port = 0
    server = HTTPServer(("127.0.0.1", port), Healthy)
    print(f"Starting development server at http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[sys.argv.index("--port") + 1]), Path(__file__).parent)
