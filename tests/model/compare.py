"""The books, the topics and the database against the referee, who worked out the same from the input.

Every function yields a Difference for what is not as it should be, of each account or record the first.
"""

from collections import defaultdict
from dataclasses import asdict
from decimal import Decimal

from support.books import comparable

OUTCOMES = {"applied": 1, "partial": 2, "rejected": 5}
CLASSES = {"usage": 0, "command": 1}
HOLD_STATES = {"open": 0, "settled": 1, "released": 2, "run out": 3}
GRANT_ENDS = {"DEPLETED": 1, "EXPIRED": 2, "VOIDED": 3}


class Difference(AssertionError):
    def __init__(self, customer, message):
        super().__init__(message)
        self.customer = customer


def find_differences(installation, referee, order_is_certain):
    """All of them; the ledger's come first."""
    client, books = installation.client, installation.books
    all_of_them = installation.options.get("outcomes") == "all"
    return [
        *of_entries(books.entries(), referee),
        *of_accounts(books, referee, order_is_certain),
        *of_holds(books, referee),
        *of_grants(books, referee),
        *of_receipts(books.receipts(), referee),
        *of_outcomes(client.read("outcomes"), referee, all_of_them, order_is_certain),
        *of_dead_letters(client.read("dead-letters"), referee),
        *of_notifications(client.read("notifications"), referee, order_is_certain),
        *of_balances(client.read("balances"), referee),
    ]


def check_all(installation, referee, order_is_certain):
    """No difference, or the first is raised."""
    differences = find_differences(installation, referee, order_is_certain)
    if differences:
        customers = {difference.customer for difference in differences}
        raise Difference(
            differences[0].customer,
            f"{len(differences)} differences at {len(customers)} customers; the first:\n{differences[0]}",
        )


def _compare(customer, what, actual, right, event=None):
    """Two dicts, name by name: at most one difference."""
    if actual == right and not actual.get("dimensions"):
        return
    for name in [*right, *(actual.keys() - right.keys())]:
        found, expected = actual.get(name, "nothing"), right.get(name, "nothing")
        if comparable(found) != comparable(expected):
            lines = [f"{what}: {name} is {_shown(found)}, should be {_shown(expected)}"]
            lines += [f"  found  {_shown(actual)}", f"  should {_shown(right)}"]
            lines += [f"  input  {_shown_event(event)}"] if event else []
            yield Difference(customer, "\n".join(lines))
            return


def _compare_keys(what, actual, right, customer_of=lambda key: key[0]):
    for key in right:
        if key not in actual:
            yield Difference(customer_of(key), f"{what} {_shown(key)} is missing, should be {_shown(right[key])}")
    for key in actual:
        if key not in right:
            yield Difference(customer_of(key), f"{what} {_shown(key)} should not be: {_shown(actual[key])}")


def _compare_lists(customer, what, id_name, actual, right, event_of):
    """Two lists of dicts, one after the other: at most one difference."""
    for found, expected in zip(actual, right):
        for difference in _compare(customer, f"{what} {expected[id_name]}", found, expected, event_of(expected)):
            yield difference
            return
    if len(actual) != len(right):
        longer = max(actual, right, key=len)
        odd = longer[min(len(actual), len(right))]
        how = "should not be" if longer is actual else "is missing"
        yield Difference(customer, f"{what} {odd[id_name]} {how}: {_shown(odd)}\n  input  {_shown_event(event_of(odd))}")


def _shown(value):
    """Without the names of types."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _shown_event(event):
    """Without what it does not have."""
    fields = asdict(event) if event else {}
    return _shown({name: value for name, value in fields.items() if value not in (None, 0, False)})


def _by_account(items):
    accounts = defaultdict(list)
    for item in items:
        accounts[item["customerId"], item["currencyId"], item["resourceId"]].append(item)
    return accounts


def _event_of(referee):
    def find(item):
        source = item["source"]
        answer = referee.answers.get((source["topic"], source["partition"], source["offset"]))
        return answer and answer.event

    return find


def _with_names_of_overdrafts(actual, right, names):
    """The names of overdrafts are the engine's own: the referee's entries with those that it chose."""
    renamed = []
    for index, entry in enumerate(right):
        if entry["grantId"].startswith("overdraft:") and index < len(actual):
            found = actual[index]["grantId"]
            if found.startswith("overdraft:"):
                entry = entry | {"grantId": names.setdefault(entry["grantId"], found)}
        renamed.append(entry)
    return renamed


def of_entries(recorded, referee):
    """Every entry is what the referee has, in every field."""
    actual, right = _by_account(recorded), _by_account(referee.entries_by_account())
    taken = {}
    for account in sorted(actual.keys() | right.keys(), key=str):
        names = {}
        expected = _with_names_of_overdrafts(actual[account], right[account], names)
        yield from _compare_lists(account[0], "entry", "entryId", actual[account], expected, _event_of(referee))
        for name, found in names.items():
            if taken.setdefault((account[0], found), (account, name)) != (account, name):
                yield Difference(account[0], f"two overdrafts of {account[0]} bear the name {found}")


def of_receipts(rows, referee):
    """Every key that was handled has the receipt of what came of it first, and there is no other."""
    expected = {
        (customer, CLASSES[event_class], key): {
            "outcome": OUTCOMES[answer.outcome],
            "code": answer.code,
            "applied_amount": answer.appliedAmount,
            "first_seq": answer.firstSeq,
            "last_seq": answer.lastSeq,
        }
        for (customer, event_class, key), (_, answer) in referee.receipts.items()
    }
    recorded = {(row["customer_id"], row["event_class"], row["idempotency_key"]): row for row in rows}
    yield from _compare_keys("receipt", recorded, expected)
    for key in expected.keys() & recorded.keys():
        right = expected[key]
        yield from _compare(key[0], f"receipt {key}", {name: recorded[key][name] for name in right}, right)


def of_outcomes(records, referee, all_of_them, order_is_certain):
    """The outcomes topic answers once for each readable input that the ledger does not answer (or for each). Where
    the order was read from the ledger, the balance at what made no entry may be any that the account has had."""
    balances = defaultdict(lambda: {Decimal(0)})
    if not order_is_certain:
        for account, entries in _by_account(referee.entries).items():
            balances[account] |= {entry[name] for entry in entries for name in ("balanceBefore", "balanceAfter")}
    answers = {}
    for record in records:
        source = record.value["source"]
        position = (source["topic"], source["partition"], source["offset"])
        if position in answers:
            yield Difference(record.key, f"{position} is answered twice: {_shown(record.value)}")
        answers[position] = record
    expected = {
        position: answer
        for position, answer in referee.answers.items()
        if answer.event is not None and (all_of_them or not answer.has_entries)
    }
    customers = {position: answer.event.customer for position, answer in expected.items()}
    customers |= {position: record.key for position, record in answers.items()}
    yield from _compare_keys("outcome of", answers, expected, customers.get)
    for position in expected.keys() & answers.keys():
        answer, message = expected[position], answers[position].value
        event = answer.event
        right = {
            "customerId": event.customer,
            "currencyId": event.currency,
            "resourceId": event.resource,
            "idempotencyKey": event.key,
            "type": event.kind,
            "requestedAmount": event.amount,
        }
        names = ("outcome", "code", "appliedAmount", "firstSeq", "lastSeq", "balance")
        right |= {name: getattr(answer, name) for name in names}
        right |= {"source": dict(zip(("topic", "partition", "offset"), position)), "key": event.customer}
        if not order_is_certain and not answer.firstSeq and answer.balance is not None:
            if message["balance"] in balances[event.customer, event.currency, event.resource]:
                right["balance"] = message["balance"]
        actual = message | {"key": answers[position].key}
        yield from _compare(event.customer, f"outcome of {position}", actual, right, event)


STATE_THEN = ("recordedAt", "balance", "held", "spendable", "seq")


def _part_by_certainty(notifications, referee):
    """Those of records with entries, in their order; the others by their ids."""
    certain, loose = [], {}
    for item in notifications:
        source = item["source"]
        answer = referee.answers.get((source["topic"], source["partition"], source["offset"]))
        if answer and answer.has_entries:
            certain.append(item)
        else:
            loose[item["notificationId"]] = item
    return certain, loose


def of_notifications(records, referee, order_is_certain):
    """Each was told once, per account in the order in which things happened. Where the order was read from the ledger,
    what made no entry has no certain place: neither what it told then, nor the state of the account that it told of."""
    told = [record.value | {"key": record.key} for record in records]
    expected = [right | {"key": right["customerId"]} for right in referee.notifications]
    if not order_is_certain:
        told, loose = _part_by_certainty(told, referee)
        expected, loose_right = _part_by_certainty(expected, referee)
        yield from _compare_keys("notification", loose, loose_right, lambda name: name.split("/")[0])
        for name in loose.keys() & loose_right.keys():
            right = loose_right[name] | {field: loose[name][field] for field in STATE_THEN}
            yield from _compare(right["customerId"], f"notification {name}", loose[name], right)
    actual, right = _by_account(told), _by_account(expected)
    for account in sorted(actual.keys() | right.keys(), key=str):
        yield from _compare_lists(
            account[0], "notification", "notificationId", actual[account], right[account], _event_of(referee)
        )


def of_dead_letters(records, referee):
    """Every input that cannot be understood lies there once, its bytes untouched, with a reason that fits."""
    expected = {(r.topic, r.partition, r.offset): (r, dead) for r, dead in referee.dead_letters}
    found = {}
    for record in records:
        headers = {name: value.decode() for name, value in record.header_list if name.startswith("drawdown.")}
        if record.raw is None and headers.keys() == {"drawdown.replayed"}:
            continue  # a note that a letter was replayed
        position = (headers["drawdown.topic"], int(headers["drawdown.partition"]), int(headers["drawdown.offset"]))
        if position in found:
            yield Difference(record.key, f"{position} is dead-lettered twice")
        found[position] = record, headers
    customers = {position: record.key for position, (record, _) in (expected | found).items()}
    yield from _compare_keys("dead letter of", found, expected, customers.get)
    for position in expected.keys() & found.keys():
        (source, dead), (record, headers) = expected[position], found[position]
        actual = {"key": record.key, "bytes": record.raw, "reason": headers["drawdown.reason"]}
        right = {"key": source.key, "bytes": source.raw, "reason": headers["drawdown.reason"]}
        if dead.reasons and right["reason"] not in dead.reasons:
            right["reason"] = " or ".join(sorted(dead.reasons))
        yield from _compare(source.key, f"dead letter of {position}", actual, right)


def of_accounts(books, referee, order_is_certain):
    """The database's accounts, with their open grants."""
    sums = ("balance", "held", "granted", "consumed", "seq", "clock")
    rows = {
        (row["customer_id"], row["currency_id"], row["resource_id"]): row
        for row in books.query("select * from drawdown.accounts where clock is not null")
    }
    yield from _compare_keys("account", rows, referee.accounts)
    for key in rows.keys() & referee.accounts.keys():
        row, account = rows[key], referee.accounts[key]
        actual = {name: row[name] for name in sums}
        right = {name: getattr(account, name) for name in sums}
        grants = [(g["grantId"], g["grantType"], g["status"], Decimal(g["remaining"])) for g in row["open_grants"]]
        actual["grants"] = [(name, status, left) for name, kind, status, left in grants if kind != "OVERDRAFT"]
        right["grants"] = [(grant.grant_id, grant.status, grant.remaining) for grant in account.grants]
        actual["overdraft"] = [left for _, kind, _, left in grants if kind == "OVERDRAFT"]
        right["overdraft"] = [account.overdraft.remaining] if account.overdraft else []
        if order_is_certain:
            actual["freshness"] = [row[f"fresh_{name}"] for name in ("topic", "partition", "offset", "event_time")]
            right["freshness"] = [*account.freshest[0], account.freshest[1]]
        yield from _compare(key[0], f"account {key}", actual, right)


def of_holds(books, referee):
    names = ("amount", "created_at", "expires_at", "closed_at")
    recorded = {
        (row["customer_id"], row["currency_id"], row["resource_id"] or None, row["reservation_id"]): row
        for row in books.query("select * from drawdown.hold")
    }
    expected = {
        (*key, hold.reservation_id): hold for key, account in referee.accounts.items() for hold in account.holds.values()
    }
    yield from _compare_keys("hold", recorded, expected)
    for key in expected.keys() & recorded.keys():
        hold, row = expected[key], recorded[key]
        right = {"state": HOLD_STATES[hold.state]} | {name: getattr(hold, name) for name in names}
        actual = {"state": row["state"]} | {name: row[name] for name in names}
        if hold.state == "open":
            right["parts"] = [(grant.grant_id, amount) for grant, amount in hold.parts]
            actual["parts"] = [(part["grantId"], Decimal(part["amount"])) for part in row["parts"]]
        yield from _compare(key[0], f"hold {key}", actual, right)


def of_grants(books, referee):
    names = ("amount", "priority", "effective_at", "expire_at", "created_at")
    recorded = {
        (row["customer_id"], row["grant_id"]): row
        for row in books.query("select * from drawdown.credit_grant where grant_type <> 2")
    }
    yield from _compare_keys("grant", recorded, referee.grants)
    for key in referee.grants.keys() & recorded.keys():
        (account, grant), row = referee.grants[key], recorded[key]
        right = {"account": account.key, "end": GRANT_ENDS.get(grant.status, 0)}
        actual = {"account": (row["customer_id"], row["currency_id"], row["resource_id"] or None), "end": row["end_kind"]}
        right |= {name: getattr(grant, name) for name in names}
        actual |= {name: row[name] for name in names}
        yield from _compare(key[0], f"grant {key}", actual, right)


def of_balances(records, referee):
    """The newest message of each account says how its thresholds stand; the rest was held against the database."""
    newest = {record.key: record.value for record in records}
    for key, account in referee.accounts.items():
        message = newest.get("/".join(part for part in key if part), {})
        right = [{"amount": a.amount, "percent": a.percent, "state": a.state} for a in account.alerts]
        yield from _compare(
            key[0], f"balance of {key}", {"thresholds": message.get("thresholds")}, {"thresholds": right}
        )
