"""The clock of a worker's machine is stepped by an hour, ahead or back, and set right again, while it runs: what time it is
comes from the log, so nobody may see it in the books."""

from functools import partial
from pathlib import Path

from support.clock import Clock

from crash.campaign.worker_faults import OfWorker

STEP = 3600  # seconds


class Stepped(OfWorker):
    """The worker is started again with a clock that can be stepped, on time; then it is, and back at the end: both are
    steps of a running worker."""

    def __init__(self, scene, step):
        super().__init__(scene)
        self.step = step
        self.seconds = scene.chance.uniform(1.0, 4.0)

    def inject(self, scene):
        self.clock = Clock(scene.installation.directory / f"{self.replica}.clock")
        self.replica.worker.environment |= self.clock.environment
        self._restart(scene)
        self.has_library = "libfaketime" in Path(f"/proc/{self.replica.process.pid}/maps").read_text()
        self.clock.step(self.step)

    def has_happened(self, scene):
        return self.has_library

    def heal(self, scene):
        self.clock.step(0)

    def conclude(self, scene):
        for name in self.clock.environment:
            del self.replica.worker.environment[name]
        self._restart(scene)

    def _restart(self, scene):
        before = self.replica.starts_count
        scene.terminate(self.replica)
        scene.wait(
            lambda: self.replica.starts_count > before and self.replica.worker.get("/readyz")[0] == 200,
            f"worker {self.replica} to be back",
        )

    def what(self):
        return f"worker {self.replica}, {self.step:+d} s for {self.seconds:.1f} s"


def kinds(scene):
    return {"clock/ahead": partial(Stepped, step=STEP), "clock/back": partial(Stepped, step=-STEP)}
