"""What happens on a replica's own way to one server (support/network.py): cut in one direction or both, slow, reset,
refused, half an answer, or one kind of answer that comes later than anybody waits for it."""

from functools import partial

from crash.campaign.fault import Fault
from crash.campaign.scene import BEYOND_TIMEOUTS

SHORT = (0.2, 1.5)  # seconds; some time-outs pass and others do not
LONG = (BEYOND_TIMEOUTS, BEYOND_TIMEOUTS + 3)
# Answers that are held back alone: they say that a transaction has ended, or is about to.
LATE = {"postgres": ("COMMIT",), "kafka": ("EndTxn", "TxnOffsetCommit", "AddOffsetsToTxn", "AddPartitionsToTxn")}


WATCHDOG = 8  # exit code: three of its calls did not come back; started again, it goes on


class OnLink(Fault):
    """Something that happens on the way between a replica and a server."""

    def __init__(self, scene, server):
        links = scene.proxies.links(server)
        linked = [replica for replica in scene.replicas if replica.name in links]
        running = [replica for replica in linked if replica.is_running()]
        self.replica = scene.chance.choice(running or linked)
        self.victims = (self.replica,)
        self.server = server
        self.link = links[self.replica.name]
        self.needs = frozenset({f"link {server} {self.replica}"})
        self.exit_codes = frozenset({WATCHDOG}) if server == "kafka" else frozenset()

    def heal(self, scene):
        self.link.heal()

    def what(self):
        return f"worker {self.replica}, {self.seconds:.1f} s" if self.seconds else f"worker {self.replica}"


class Set(OnLink):
    """What support/proxy.py calls so, for longer than anybody waits, or shorter."""

    def __init__(self, scene, server, **how):
        super().__init__(scene, server)
        self.how = how
        self.seconds = scene.chance.uniform(*scene.chance.choice((SHORT, LONG)))
        is_unheard = how.get("up") == "hold" or how.get("refuse")
        self.is_takeover = server == "kafka" and is_unheard and self.seconds >= BEYOND_TIMEOUTS

    def inject(self, scene):
        self.link.set(**self.how)


class Refused(Set):
    """As of a server that is gone: what was open is reset, what is tried anew is refused."""

    def __init__(self, scene, server):
        super().__init__(scene, server, refuse=True)

    def inject(self, scene):
        super().inject(scene)
        self.link.reset()


class Delayed(OnLink):
    def __init__(self, scene, server):
        super().__init__(scene, server)
        self.delay = scene.chance.choice((0.02, 0.2, 1.0))
        self.seconds = BEYOND_TIMEOUTS

    def inject(self, scene):
        self.link.set(delay=self.delay)

    def what(self):
        return f"{super().what()}, by {self.delay:g} s"


class Throttled(OnLink):
    def __init__(self, scene, server):
        super().__init__(scene, server)
        self.rate = scene.chance.choice((1_000, 10_000, 100_000))
        self.seconds = BEYOND_TIMEOUTS

    def inject(self, scene):
        self.link.set(rate=self.rate)

    def what(self):
        return f"{super().what()}, to {self.rate} bytes/s"


class Reset(OnLink):
    """Several times."""

    def inject(self, scene):
        for _ in range(scene.chance.randrange(1, 6)):
            self.link.reset()
            scene.pause(scene.chance.uniform(0, 0.1))


class Caught(OnLink):
    """It comes about once such an answer is on its way."""

    def inject(self, scene):
        self.before = self.link.caught
        self.link.set(**self.how)

    def has_happened(self, scene):
        return self.link.caught > self.before


class HalfAnswer(Caught):
    how = {"half": True}


class LateAnswer(Caught):
    """The server has done it, and the worker is not told."""

    def __init__(self, scene, server, answer):
        super().__init__(scene, server)
        self.how = {"hold_answers": (answer,)}
        self.seconds = scene.chance.uniform(*scene.chance.choice((SHORT, LONG)))


def kinds_of(server):
    return {
        "cut": partial(Set, server=server, up="hold", down="hold"),
        "cut-up": partial(Set, server=server, up="hold"),
        "cut-down": partial(Set, server=server, down="hold"),
        "delayed": partial(Delayed, server=server),
        "throttled": partial(Throttled, server=server),
        "reset": partial(Reset, server=server),
        "refused": partial(Refused, server=server),
        "half-answer": partial(HalfAnswer, server=server),
        **{f"late-{answer}": partial(LateAnswer, server=server, answer=answer) for answer in LATE[server]},
    }


def kinds(scene):
    if scene.proxies is None:
        return {}
    servers = [server for server in LATE if scene.proxies.links(server)]
    return {f"network/{server}/{kind}": make for server in servers for kind, make in kinds_of(server).items()}
