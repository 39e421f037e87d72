"""Watching a group's commits from outside, and a load that never ends: how long nobody committed, and where."""

import threading
import time

from confluent_kafka import KafkaException

from support.client import is_passing
from support.wait import wait_until

PACE = 0.05  # seconds from one portion of the load to the next


class Background:
    """Runs step() again and again in a thread while the block lasts; what it raises is raised at the block's end."""

    def __enter__(self):
        self._stopped = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stopped.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self):
        try:
            while not self._stopped.is_set():
                self.step()
        except Exception as error:
            self._error = error

    def pace(self, seconds):
        self._stopped.wait(seconds)


class SteadyLoad(Background):
    """Portions of a Load (see there) at an even pace."""

    def __init__(self, load, portion=20):
        self._load = load
        self._portion = portion

    def step(self):
        self._load.produce(self._portion)
        self.pace(PACE)


class Commits(Background):
    """When the group committed something for which pair of partitions."""

    def __init__(self, installation):
        self._client = installation.client
        self._group = installation.group
        self._times = {}  # by pair: when its offsets were seen to have moved
        self._committed = {}

    def __enter__(self):
        self._consumer = self._client.consumer("read_uncommitted", self._group)  # does not wait for open transactions
        return super().__enter__()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self._consumer.close()

    def step(self):
        try:
            committed = self._client.ask_committed(self._consumer, ("usage", "commands"))
        except KafkaException as error:
            if not is_passing(error):
                raise
            return
        now = time.monotonic()
        for pair in {at[1] for at, offset in committed.items() if self._committed.get(at) != offset}:
            self._times.setdefault(pair, []).append(now)
        self._committed = committed
        self.pace(0.005)

    def wait_for_all(self, since, seconds=60.0):
        """Every pair has committed something after that time."""

        def have_moved():
            assert self._error is None, self._error
            return self._times and all(times[-1] > since for times in list(self._times.values()))

        wait_until(have_moved, "a commit of every pair", seconds)

    def wait_for_ends(self, ends, seconds=60.0):
        """The group has committed all that lay before these ends, {(topic, partition): offset}."""

        def are_reached():
            assert self._error is None, self._error
            return all(self._committed.get(at, 0) >= end for at, end in ends.items())

        wait_until(are_reached, "what lay there to be committed", seconds, pause=0.005)

    def longest_pause(self, begin):
        """Since then, the longest time without a commit: of any pair, and of the pair that was worst off. The last commit
        before counts, for the pause may have begun with it."""
        pairs = [_pause(times, begin) for times in self._times.values()]
        every = sorted(time for times in self._times.values() for time in times)
        return _pause(every, begin), max(pairs)


def _pause(times, begin):
    before = [time for time in times if time <= begin][-1:]
    seen = before + [time for time in times if time > begin]
    return max((later - earlier for earlier, later in zip(seen, seen[1:])), default=0.0)
