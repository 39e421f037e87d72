"""Whether all is as if nothing had happened: everything that was handed in is accounted for once, by the referee of
tests/model, who shares no code with the worker."""

from support.faults import wait_for_lanes_at_rest

OUTPUTS = ("ledger", "balances", "outcomes", "notifications", "dead-letters")


def audit(scene, offsets_since):
    """All books of the scene's installation, at the end of its load. An AssertionError says what is wrong."""
    installation, client = scene.installation, scene.client
    ends = {(topic, at): end for topic in ("usage", "commands") for at, end in client.ends(topic).items()}
    delivered = scene.load.client.delivered_count
    assert sum(ends.values()) == delivered, f"{delivered} records were produced, {sum(ends.values())} are in the inputs"
    recorded = installation.recorded()
    assert recorded == ends, f"the database knows the inputs up to {recorded}, they end at {ends}"
    for topic in OUTPUTS:
        client.read(topic)  # waits for transactions that are open
    wait_for_lanes_at_rest(installation)
    referee = installation.audit()
    installation.check_offsets(offsets_since)
    entries = len(referee.entries)
    scene.wait(lambda: scene.ledger.count >= entries, f"the reader of the ledger to see all {entries} entries")
    assert scene.ledger.count == entries, f"a reader saw {scene.ledger.count} entries, the ledger has {entries}"
    return referee
