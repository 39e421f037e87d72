"""Which fault comes when: every kind alone, in an order by chance; then pairs by chance; and so on. The same seed draws the
same faults with the same particulars, as far as the scene offers the same kinds."""

import fnmatch
import importlib
import importlib.util
import random

MODULES = ("worker_faults", "volley_faults", "postgres_faults", "kafka_faults", "network_faults", "clock_faults")
QUIET_MAX = 0.5  # seconds between two steps
TRIES = 20  # to find a partner that can come at the same time


def kinds_of(scene, only="*"):
    """{kind: make} of all modules there are."""
    kinds = {}
    for module in MODULES:
        if importlib.util.find_spec(f"crash.campaign.{module}"):
            kinds |= importlib.import_module(f"crash.campaign.{module}").kinds(scene)
    patterns = only.split(",")
    return {kind: kinds[kind] for kind in sorted(kinds) if any(fnmatch.fnmatch(kind, p) for p in patterns)}


class Schedule:
    """What comes at step 0, 1, 2 ... Each step draws from a chance of its own, whatever happened before it."""

    def __init__(self, seed, only="*"):
        self.seed = seed
        self.only = only
        self._left = []  # kinds that have not come alone in this round
        self._pairs_left = 0
        self._round = 0
        self._number = 0

    def next(self, scene):
        """The faults of the next step, one or two, and the quiet time behind it in seconds. scene.chance is the step's."""
        kinds = kinds_of(scene, self.only)
        scene.chance = random.Random(f"{self.seed}/{self._number}")
        self._number += 1
        if not self._left and self._pairs_left == 0:
            self._begin_round(kinds)
        if self._left:
            faults = [self._make(scene, kinds, self._left.pop())]
        else:
            self._pairs_left -= 1
            faults = self._pair(scene, kinds)
        return faults, scene.chance.uniform(0, QUIET_MAX)

    def _begin_round(self, kinds):
        self._left = list(kinds)
        random.Random(f"{self.seed}/round {self._round}").shuffle(self._left)
        self._pairs_left = len(self._left) if len(self._left) > 1 else 0
        self._round += 1

    def _make(self, scene, kinds, kind):
        fault = kinds[kind](scene)
        fault.kind = kind
        return fault

    def _pair(self, scene, kinds):
        names = [kind for kind in kinds]
        first = self._make(scene, kinds, scene.chance.choice(names))
        for _ in range(TRIES):
            second = self._make(scene, kinds, scene.chance.choice(names))
            if not (first.is_end or second.is_end or first.needs & second.needs):
                return [first, second]
        return [first]
