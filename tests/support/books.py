"""An auditor of the books: what must hold in the database, and between it and the ledger topic."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row

# Each query returns what breaks the rule in its name.
RULES = {
    "no grant but the overdraft goes below zero (I2)": """
        select customer_id, grant_id, grant_remaining::text from drawdown.ledger_entry
        where grant_remaining < 0 and not starts_with(grant_id, 'overdraft:')""",
    "no open grant but the overdraft is below zero (I2)": """
        select a.customer_id, o."grantId", o.remaining::text
        from drawdown.account a, json_to_recordset(a.open_grants) as o("grantId" text, remaining numeric)
        where o.remaining < 0 and not starts_with(o."grantId", 'overdraft:')""",
    # A grant that is scheduled is applied, and posted later.
    "an event's entries sum to what its outcome says (I3)": """
        select r.customer_id, r.idempotency_key, r.applied_amount::text, e.sum::text
        from drawdown.receipt r, lateral (
            select coalesce(sum(amount), 0) as sum, count(*) as count from drawdown.ledger_entry e
            where (e.customer_id, e.currency_id, e.resource_id) = (r.customer_id, r.currency_id, r.resource_id)
              and e.seq between r.first_seq and r.last_seq and e.idempotency_key = r.idempotency_key
              and (e.source_topic, e.source_partition, e.source_offset)
                  = (r.source_topic, r.source_partition, r.source_offset)) e
        where (abs(e.sum) <> r.applied_amount and not (r.kind = 1 and r.outcome = 1 and r.first_seq is null))
           or e.count <> coalesce(r.last_seq - r.first_seq + 1, 0)""",
    "an entry with a key has a receipt that covers it": """
        select e.customer_id, e.idempotency_key, e.seq from drawdown.ledger_entry e
        left join drawdown.receipt r
          on r.customer_id = e.customer_id and r.idempotency_key = e.idempotency_key
         and (r.currency_id, r.resource_id) = (e.currency_id, e.resource_id)
         and (e.source_topic, e.source_partition, e.source_offset)
             = (r.source_topic, r.source_partition, r.source_offset)
         and e.seq between r.first_seq and r.last_seq
        where e.idempotency_key is not null and r.customer_id is null""",
    "a key has one receipt": """
        select customer_id, event_class, idempotency_key, count(*) from drawdown.receipt
        group by customer_id, event_class, idempotency_key having count(*) > 1""",
    "seq is gap-free from 1, balance_before is the balance_after before (I4)": """
        select * from (
            select customer_id, currency_id, resource_id, seq, balance_before::text,
                   row_number() over account as expected_seq,
                   coalesce(lag(balance_after) over account, 0)::text as expected_balance
            from drawdown.ledger_entry
            window account as (partition by customer_id, currency_id, resource_id order by seq)) e
        where seq <> expected_seq or balance_before::numeric <> expected_balance::numeric""",
    "an account's balance and seq are those of its entries (I4)": """
        select a.customer_id, a.currency_id, a.resource_id, a.balance::text, e.sum::text, a.seq, e.last_seq
        from drawdown.account a
        full join (
            select customer_id, currency_id, resource_id, sum(amount) as sum, max(seq) as last_seq
            from drawdown.ledger_entry group by customer_id, currency_id, resource_id) e
        using (customer_id, currency_id, resource_id)
        where a.balance is distinct from coalesce(e.sum, 0) or a.seq is distinct from coalesce(e.last_seq, 0)""",
    "an account that no event has touched is empty": """
        select * from drawdown.account
        where clock is null and (balance, held, granted, consumed, seq, grants_made) <> (0, 0, 0, 0, 0, 0)""",
    "what is left of a grant is the sum of its entries": """
        select * from (
            select customer_id, grant_id, seq, grant_remaining::text,
                   sum(amount) over (partition by customer_id, grant_id order by seq)::text as expected
            from drawdown.ledger_entry) e
        where grant_remaining::numeric <> expected::numeric""",
    "an account's balance is what is left of its posted open grants": """
        select a.customer_id, a.currency_id, a.resource_id, a.balance::text, o.sum::text
        from drawdown.account a, lateral (
            select coalesce(sum(remaining), 0) as sum
            from json_to_recordset(a.open_grants) as g(status text, remaining numeric)
            where g.status not in ('SCHEDULED', 'PAYMENT_PENDING')) o
        where a.balance <> o.sum""",
}

LEDGER = """
    select entry_id as "entryId", customer_id as "customerId", currency_id as "currencyId", resource_id as "resourceId",
           seq, event_type as "eventType", amount, grant_id as "grantId", grant_remaining as "grantRemaining",
           balance_before as "balanceBefore", balance_after as "balanceAfter", idempotency_key as "idempotencyKey",
           requested_amount as "requestedAmount", first_seq as "firstSeq", last_seq as "lastSeq", outcome,
           event_time as "eventTime", recorded_at as "recordedAt", dimensions,
           json_build_object('topic', source_topic, 'partition', source_partition, 'offset', source_offset) as source
    from drawdown.ledger"""


BALANCES = """
    select customer_id as "customerId", currency_id as "currencyId", resource_id as "resourceId",
           balance, held, spendable, granted, consumed, seq, clock as "recordedAt",
           case when fresh_topic is not null then json_build_object(
               'input', json_build_object('topic', fresh_topic, 'partition', fresh_partition, 'offset', fresh_offset),
               'eventTime', fresh_event_time) end as freshness
    from drawdown.accounts where clock is not null"""


def _comparable(value, inside=False):
    """Numbers of dimensions are floats in one format and exact in another; true is no number."""
    if isinstance(value, dict):
        return {name: _comparable(inner, True) for name, inner in value.items()}
    if inside and isinstance(value, (int, float, Decimal)):
        return isinstance(value, bool), float(value)
    return value


class Books:
    def __init__(self, url):
        self.url = url
        self._connection = None

    def close(self):
        if self._connection is not None:
            self._connection.close()

    def query(self, statement, *parameters):
        """Rows as dicts. Connects again where the server was restarted."""
        try:
            if self._connection is not None:
                return self._connection.execute(statement, parameters).fetchall()
        except psycopg.OperationalError:
            self._connection.close()
        self._connection = psycopg.connect(self.url, row_factory=dict_row, autocommit=True)
        return self._connection.execute(statement, parameters).fetchall()

    def balances(self):
        """{(customer, currency, resource or None): balance} of the accounts that an event has ever touched."""
        rows = self.query(
            "select customer_id, currency_id, resource_id, balance from drawdown.accounts where clock is not null"
        )
        return {(row["customer_id"], row["currency_id"], row["resource_id"]): row["balance"] for row in rows}

    def balance(self, customer, currency, resource=None):
        return self.balances().get((customer, currency, resource), Decimal(0))

    def count(self, table="ledger_entry"):
        """Rows that are committed."""
        return self.query(f"select count(*) as count from drawdown.{table}")[0]["count"]

    def entries(self):
        """The ledger in the topic's words, ordered by account and seq."""
        return self.query(LEDGER + " order by customer_id, currency_id, resource_key, seq")

    def receipts(self, **columns):
        """Receipts whose columns have these values."""
        where = "".join(f" and {name} = %s" for name in columns)
        return self.query(f"select * from drawdown.receipt where true{where}", *columns.values())

    def check(self):
        """Every rule holds."""
        for rule, statement in RULES.items():
            broken = self.query(statement)
            assert not broken, f"{rule}: {len(broken)} times not, first {broken[0]}"

    def check_topic(self, records):
        """The ledger topic, read committed, bears each entry once, as the database has it, per account in one
        partition and in order of seq (I10)."""
        published = defaultdict(list)
        for record in records:
            value = record.value
            assert record.key == value["customerId"], f"key {record.key} of {value}"
            account = (value["customerId"], value["currencyId"], value.get("resourceId"))
            published[account].append((record.partition, value))
        for account, messages in published.items():
            assert len({partition for partition, _ in messages}) == 1, f"{account} lies in several partitions"
            seqs = [value["seq"] for _, value in messages]
            assert seqs == list(range(1, len(seqs) + 1)), f"{account}: not gap-free in order of seq: {seqs}"
        recorded = self.entries()
        assert sum(map(len, published.values())) == len(recorded), (
            f"{len(records)} entries published, {len(recorded)} recorded"
        )
        for entry in recorded:
            account = (entry["customerId"], entry["currencyId"], entry["resourceId"])
            message = published[account][entry["seq"] - 1][1]
            assert message.keys() == entry.keys()
            for name, value in entry.items():
                assert _comparable(message[name]) == _comparable(value), (
                    f"{entry['entryId']}: {name} is {message[name]} in the topic, {value} in the database"
                )

    def check_balances(self, records):
        """The newest message of each account in the balances topic is what the view of accounts says."""
        newest = {record.key: record for record in records}
        recorded = {
            "/".join(part for part in (row["customerId"], row["currencyId"], row["resourceId"]) if part): row
            for row in self.query(BALANCES)
        }
        assert newest.keys() == recorded.keys()
        for key, row in recorded.items():
            message = newest[key].value
            if row["freshness"]:
                row["freshness"]["eventTime"] = datetime.fromisoformat(row["freshness"]["eventTime"])
            assert message == row, f"balance of {key}: {message} in the topic, {row} in the database"

    # ---- against the referee, who worked out the same from the input ----

    def check_entries(self, referee):
        """Every entry is what the referee has, in every field; the names of overdrafts are the engine's own."""
        recorded, expected = self.entries(), referee.entries_by_account()
        names = {}
        for actual, right in zip(recorded, expected):
            for name, value in right.items():
                if name == "grantId" and value.startswith("overdraft:"):
                    key = (right["customerId"], right["currencyId"], right["resourceId"], value)
                    assert actual[name].startswith("overdraft:"), f"{actual['entryId']}: {actual[name]} is no overdraft"
                    value = names.setdefault(key, actual[name])
                assert _comparable(actual[name]) == _comparable(value), (
                    f"{actual['entryId']}: {name} is {actual[name]}, should be {value}\n{actual}\n{right}"
                )
        assert len(recorded) == len(expected), f"{len(recorded)} entries recorded, {len(expected)} expected"
        ids = {(key[0], name) for key, name in names.items()}
        assert len(ids) == len(names), "two overdrafts of a customer bear one name"
        assert self.balances() == referee.balances()

    def check_receipts(self, referee):
        """Every key that was handled has the receipt of what came of it first, and there is no other."""
        expected = {}
        for (customer, event_class, key), (_, answer) in referee.receipts.items():
            expected[customer, ("usage", "command").index(event_class), key] = (
                ("applied", "partial", None, None, "rejected").index(answer.outcome) + 1,
                answer.code,
                answer.appliedAmount,
                answer.firstSeq,
                answer.lastSeq,
            )
        recorded = {
            (row["customer_id"], row["event_class"], row["idempotency_key"]): (
                row["outcome"],
                row["code"],
                row["applied_amount"],
                row["first_seq"],
                row["last_seq"],
            )
            for row in self.receipts()
        }
        assert recorded == expected

    def check_outcomes(self, referee, records, all_of_them=False, order_is_certain=True):
        """The outcomes topic answers once for each readable input that the ledger does not answer (or for each). Where
        the order was read from the ledger, the balance at what made no entry may be any that the account has had."""
        balances = defaultdict(set)
        for entry in referee.entries:
            account = (entry["customerId"], entry["currencyId"], entry["resourceId"])
            balances[account] |= {entry["balanceBefore"], entry["balanceAfter"]}
        answers = defaultdict(list)
        for record in records:
            source = record.value["source"]
            answers[source["topic"], source["partition"], source["offset"]].append(record)
        expected = {
            position: answer
            for position, answer in referee.answers.items()
            if answer.event is not None and (all_of_them or not answer.has_entries)
        }
        assert answers.keys() == expected.keys(), (
            f"not answered: {expected.keys() - answers.keys()}, answered: {answers.keys() - expected.keys()}"
        )
        for position, answer in expected.items():
            assert len(answers[position]) == 1, f"{position} is answered {len(answers[position])} times"
            message, event = answers[position][0].value, answer.event
            assert answers[position][0].key == event["customerId"]
            right = {name: event.get(name) for name in ("customerId", "currencyId", "resourceId", "idempotencyKey")}
            right |= {"type": event.get("type", "consume"), "requestedAmount": event.get("amount")}
            right |= {
                name: getattr(answer, name)
                for name in ("outcome", "code", "appliedAmount", "firstSeq", "lastSeq", "balance")
            }
            if not order_is_certain and not answer.firstSeq and answer.balance is not None:
                account = (event["customerId"], event["currencyId"], event.get("resourceId"))
                del right["balance"]
                assert message["balance"] in balances[account] | {Decimal(0)}, f"outcome of {position}: balance"
            for name, value in right.items():
                assert message[name] == value, f"outcome of {position}: {name} is {message[name]}, should be {value}"

    def check_dead_letters(self, referee, records):
        """Every input that cannot be understood lies there once, its bytes and its own headers untouched."""
        expected = sorted((r.topic, r.partition, r.offset, r.key, r.raw) for r in referee.dead_letters)
        found = sorted(
            (
                record.headers["drawdown.topic"].decode(),
                int(record.headers["drawdown.partition"]),
                int(record.headers["drawdown.offset"]),
                record.key,
                record.raw,
            )
            for record in records
        )
        assert found == expected
