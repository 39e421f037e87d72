"""What a fault is to the campaign.

A module of faults has `kinds(scene)`: {kind: make}, those that the scene has the means for; `make(scene)` returns a new
Fault whose particulars it has drawn from scene.chance. schedule.py names the modules.
"""

from collections import Counter


class Fault:
    """One fault, from its injection until it is healed. The campaign calls inject(), waits until has_happened(), lets it
    last for `seconds`, calls heal(), and from then on expects that every worker goes on without a hand."""

    kind = ""  # in reports: "worker/kill", "postgres/lock"
    needs = frozenset()  # what it takes hold of ("postgres", "worker a"): faults that share any do not come in one pair
    seconds = 0.0
    exit_codes = frozenset()  # with which a worker may end by itself meanwhile; its supervisor starts it again
    happen_max = 10.0  # seconds for it to come about: longer, and nothing has come by its place
    size = 1  # a volley is more than one fault
    victims = ()  # replicas that it hits: their recovery is what is measured
    is_takeover = False  # the victims' partitions go to other replicas while it lasts
    # Those that are meant to stop the workers: each ends with this code and says this, again at every start, until
    # repair() has done what the documents tell the operator to do. They come alone.
    is_end = False
    exit_code = None
    message = None

    def __init__(self, scene):
        """Draws its particulars."""

    def inject(self, scene):
        raise NotImplementedError

    def has_happened(self, scene):
        return True

    def tally(self, scene):
        """After heal(): what came about, how many of which kind."""
        return Counter({self.kind: int(self.has_happened(scene))})

    def heal(self, scene):
        """What it changed is as it was before; also where it has not happened."""

    def conclude(self, scene):
        """Once all has recovered: what is not needed any more goes."""

    def repair(self, scene):
        """The documented step, of one that is an end; all workers are stopped."""
        raise NotImplementedError

    def what(self):
        """Its particulars, for the timeline."""
        return ", ".join(f"worker {replica}" for replica in self.victims)

    def __str__(self):
        return f"{self.kind} ({self.what()})" if self.what() else self.kind
