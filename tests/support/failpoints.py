"""The failpoints of include/drawdown/failpoint.h: their names, and a worker that has them."""

import re
from pathlib import Path

from support.servers import ROOT
from support.wait import wait_until

PROGRAM = ROOT / "build/failpoints/drawdown"
ACTIONS = ("crash", "hang", "error", "lost")
_TABLE = re.findall(r"^\tX\((\w+)\)\s*/\* (.*?) \*/", (ROOT / "include/drawdown/failpoint.h").read_text(), re.M)
NAMES = tuple(name for name, _ in _TABLE)
WITHOUT_ERROR = tuple(name for name, what in _TABLE if "no `error`" in what)


class Failpoints:
    """The faults of one worker, which is not started yet. arm("AFTER_LOCK hang 2", ...): one after the other, once those
    that were armed before have happened."""

    def __init__(self, worker):
        self.file = Path(f"{worker.log}.faults")
        self._fired = Path(f"{self.file}.fired")
        self._armed = ()
        worker.environment["FAILPOINT_FILE"] = str(self.file)

    def arm(self, *faults):
        assert not self.file.exists(), f"still armed: {self._armed}"
        self._armed = faults
        self._fired.unlink(missing_ok=True)
        new = Path(f"{self.file}.new")
        new.write_text("".join(f"{fault}\n" for fault in faults))
        new.replace(self.file)

    def disarm(self):
        self.file.unlink(missing_ok=True)

    def have_fired(self):
        """All of them."""
        return self._fired.exists()

    def fired_count(self):
        """Of those that were armed, in their order."""
        if self.have_fired():
            return len(self._armed)
        try:
            return len(self._armed) - len(self.file.read_text().splitlines())
        except FileNotFoundError:  # renamed meanwhile
            return len(self._armed)

    def wait(self, seconds=30.0):
        wait_until(self.have_fired, f"{self._armed} to happen", seconds)
