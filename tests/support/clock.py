"""The clock of one process, as it sees it: stepped while it runs. The monotonic clock goes on, as it does on a machine."""

import importlib.util
import subprocess
from pathlib import Path

from support.servers import ROOT

THREADS = ROOT / "tests/support/faketime_threads.c"


class Clock:
    """Of a process that is started with its `environment`; `file` says by how much it is ahead."""

    def __init__(self, file):
        self.file = Path(file)
        self.step(0)
        library = Path(importlib.util.find_spec("libfaketime").origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
        self.environment = {
            "LD_PRELOAD": f"{threads_library(self.file.parent)} {library}",
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # its guess at what this glibc needs is wrong
        }

    def step(self, seconds):
        """To so much ahead of what it is, or behind."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.file)


def threads_library(directory):
    built = Path(directory) / "faketime_threads.so"
    if not built.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", built, THREADS], check=True)
    return built
