"""An auditor of the books: what must hold in the database, and between it and the ledger topic."""

from collections import defaultdict
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
    "an event's entries sum to what its outcome says (I3)": """
        select r.customer_id, r.idempotency_key, r.applied_amount::text, e.sum::text
        from drawdown.receipt r, lateral (
            select coalesce(sum(amount), 0) as sum, count(*) as count from drawdown.ledger_entry e
            where (e.customer_id, e.currency_id, e.resource_id) = (r.customer_id, r.currency_id, r.resource_id)
              and e.seq between r.first_seq and r.last_seq and e.idempotency_key = r.idempotency_key
              and (e.source_topic, e.source_partition, e.source_offset)
                  = (r.source_topic, r.source_partition, r.source_offset)) e
        where abs(e.sum) <> r.applied_amount or e.count <> coalesce(r.last_seq - r.first_seq + 1, 0)""",
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


def _comparable(value):
    """Numbers of dimensions are floats in one format and exact in another."""
    if isinstance(value, dict):
        return {name: _comparable(inner) for name, inner in value.items()}
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Books:
    def __init__(self, url):
        self.url = url

    def query(self, statement, *parameters):
        """Rows as dicts."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement, parameters).fetchall()

    def balances(self):
        """{(customer, currency, resource or None): balance}."""
        rows = self.query("select customer_id, currency_id, resource_id, balance from drawdown.accounts")
        return {(row["customer_id"], row["currency_id"], row["resource_id"]): row["balance"] for row in rows}

    def balance(self, customer, currency, resource=None):
        return self.balances().get((customer, currency, resource), Decimal(0))

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
            for name, value in entry.items():
                assert _comparable(message.get(name)) == _comparable(value), (
                    f"{entry['entryId']}: {name} is {message.get(name)} in the topic, {value} in the database"
                )
