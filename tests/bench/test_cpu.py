import os
import subprocess
import sys
from pathlib import Path

from bench.cpu import cpu_seconds, descendants, processes_named

_BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('burnt', flush=True)\ninput()"


def test_what_a_child_has_used_counts_and_it_is_found_by_its_name() -> None:
    before = cpu_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", _BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"burnt\n"
        name = Path(sys.executable).name
        assert child.pid in descendants(os.getpid())
        assert child.pid in processes_named(name, below=os.getpid())
        assert cpu_seconds(child.pid) >= 0.25
        child.communicate(b"\n")
    assert cpu_seconds(os.getpid()) - before >= 0.25


def test_a_process_that_is_gone_has_used_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert cpu_seconds(gone.pid) == 0
