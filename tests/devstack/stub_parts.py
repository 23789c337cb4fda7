"""Stand-ins for API and worker: `python stub_parts.py api|worker|crash|stubborn DATA_DIR`. Standard library only.

The worker has a child of its own in its process group; the API says that it is ready while the worker runs.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def stubborn(data_dir: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (data_dir / "worker.pid").write_text(str(os.getpid()))
    signal.pause()


def worker(data_dir: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    helper = subprocess.Popen(["sleep", "600"])
    (data_dir / "helper.pid").write_text(str(helper.pid))
    (data_dir / "worker.pid").write_text(str(os.getpid()))
    signal.sigwait({signal.SIGTERM})
    sys.stdout.write("worker stops gracefully\n")
    helper.kill()
    helper.wait()


def worker_runs(data_dir: Path) -> bool:
    try:
        os.kill(int((data_dir / "worker.pid").read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


class Health(http.server.BaseHTTPRequestHandler):
    data_dir: Path

    def do_GET(self) -> None:
        answers = self.path == "/api/v1/health/live" or worker_runs(self.data_dir)
        self.send_response(200 if answers else 503)
        self.end_headers()
        self.wfile.write(b"{}")


def api(data_dir: Path) -> None:
    Health.data_dir = data_dir
    (data_dir / "environment.json").write_text(json.dumps(dict(os.environ)))
    address = (os.environ["GLEANER_API_HOST"], int(os.environ["GLEANER_API_PORT"]))
    server = http.server.ThreadingHTTPServer(address, Health)
    server.serve_forever()


def crash(_: Path) -> None:
    raise SystemExit("the stub can't go on")


if __name__ == "__main__":
    {"api": api, "worker": worker, "crash": crash, "stubborn": stubborn}[sys.argv[1]](Path(sys.argv[2]))
