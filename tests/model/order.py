"""The order in which records count.

`in_order_of_time`: the contract where all of the input lay there before the worker began. `in_order_of_stages`: the same
where it was produced in portions while no worker ran, so that it is known how far the one before had come.
`in_order_of_ledger`: any other run; it takes from the ledger only in which order it handled the records of a customer, and
insists that it is one that the partitions allow. All else is computed by the referee.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

from model.contract import Event, read_event
from model.referee import position_of

# Kinds that change an account without an entry: these count when their time has come, as those with entries do.
SILENT = ("reserve", "release", "extend", "configure", "confirm-payment", "advance", "settle")


def in_order_of_time(records):
    """Pair by pair: each partition in its order, the two merged by record timestamp, commands first at a tie."""
    return in_order_of_stages(records, [])


def in_order_of_stages(records, stages):
    """`stages`: what was known, with no worker running, each time before more was produced: (ends, recorded), both
    {(topic, partition): offset}: how far the inputs reached, and how far the database had come. Fails where it could
    not have come just so far in order of time."""
    pairs = defaultdict(lambda: ([], []))
    names = {}
    for record in sorted(records, key=lambda record: record.offset):
        is_usage = record.topic.endswith("usage")
        names[is_usage] = record.topic
        pairs[record.partition][is_usage].append(record)
    merged = []
    for partition in sorted(pairs):
        merged += _merge_pair(partition, pairs[partition], names, stages)
    return merged


def _merge_pair(partition, queues, names, stages):
    next_at = [0, 0]
    merged = []

    def run(ends, recorded):
        """Until both queues stand at `recorded`, nothing at or past `ends` in sight."""
        while True:
            heads = [
                queue[at] if at < len(queue) and (ends is None or queue[at].offset < ends[which]) else None
                for which, (queue, at) in enumerate(zip(queues, next_at))
            ]
            left = [
                head is not None and (recorded is None or head.offset < recorded[which])
                for which, head in enumerate(heads)
            ]
            if not any(left):
                return
            commands, usage = heads
            is_usage = commands is None or (usage is not None and usage.timestamp < commands.timestamp)
            head = heads[is_usage]
            assert left[is_usage], (
                f"{names[not is_usage]}[{partition}] was read to {recorded[not is_usage]} before {position_of(head)},"
                f" which is older"
            )
            merged.append(head)
            next_at[is_usage] += 1

    for ends, recorded in stages:
        at = [(names.get(which), partition) for which in (False, True)]
        run([ends.get(position, 0) for position in at], [recorded.get(position, 0) for position in at])
    run(None, None)
    return merged


def in_order_of_ledger(records, entries):
    """The records as the ledger's entries (in order of account and seq) have them one after the other; one that made
    none and changes nothing stands as late as its own partition lets it, another by its time. Fails where the ledger
    took records of a partition out of order."""
    by_position = {position_of(record): record for record in records}
    after, waits_for = defaultdict(set), defaultdict(int)

    def put_before(first, then):
        if first != then and then not in after[first]:
            after[first].add(then)
            waits_for[then] += 1

    lanes = defaultdict(list)  # per customer and partition; per account
    counts = set()
    for record in sorted(records, key=lambda record: (record.topic, record.partition, record.offset)):
        event = read_event(record.raw or b"")
        customer = event.customer if isinstance(event, Event) else None
        lanes[customer, record.topic, record.partition].append(position_of(record))
        if customer and (event.kind in SILENT or event.effective_at or event.await_payment):
            counts.add(position_of(record))
    for entry in entries:
        source = entry["source"]
        position = (source["topic"], source["partition"], source["offset"])
        assert position in by_position, f"{entry['entryId']} names a source that is not in the inputs: {position}"
        counts.add(position)
        lanes[entry["customerId"], entry["currencyId"], entry["resourceId"]].append(position)
    for positions in lanes.values():
        for first, then in zip(positions, positions[1:]):
            put_before(first, then)

    def rank(position):
        return position not in counts, by_position[position].timestamp, position

    ready = [rank(position) for position in by_position if waits_for[position] == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        position = heapq.heappop(ready)[2]
        order.append(by_position[position])
        for then in after[position]:
            waits_for[then] -= 1
            if waits_for[then] == 0:
                heapq.heappush(ready, rank(then))
    assert len(order) == len(by_position), "the ledger handled records of one partition in another order than theirs"
    return order
