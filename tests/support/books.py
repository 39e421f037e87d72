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
    # A grant that is scheduled or awaits its payment is applied, and posted later; what is reserved is consumed later.
    "an event's entries sum to what its outcome says (I3)": """
        select r.customer_id, r.idempotency_key, r.applied_amount::text, e.sum::text
        from drawdown.receipt r, lateral (
            select coalesce(sum(amount), 0) as sum, count(*) as count from drawdown.ledger_entry e
            where (e.customer_id, e.currency_id, e.resource_id) = (r.customer_id, r.currency_id, r.resource_id)
              and e.seq between r.first_seq and r.last_seq and e.idempotency_key = r.idempotency_key
              and (e.source_topic, e.source_partition, e.source_offset)
                  = (r.source_topic, r.source_partition, r.source_offset)) e
        where (abs(e.sum) <> r.applied_amount and not (r.kind in (1, 6) and r.outcome = 1 and r.first_seq is null))
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
    "an account's consumption is what was consumed less what was reversed": """
        select a.customer_id, a.currency_id, a.resource_id, a.consumed::text, e.sum::text
        from drawdown.account a, lateral (
            select coalesce(-sum(amount), 0) as sum from drawdown.ledger_entry e
            where (e.customer_id, e.currency_id, e.resource_id) = (a.customer_id, a.currency_id, a.resource_id)
              and e.event_type in (2, 8)) e
        where a.consumed <> e.sum""",
    "what was reversed of consumptions is what was given back": """
        select customer_id, currency_id, resource_id, r.sum::text, e.sum::text
        from (select customer_id, currency_id, resource_id, sum(reversed) from drawdown.reversal group by 1, 2, 3) r
        full join (select customer_id, currency_id, resource_id, sum(amount) from drawdown.ledger_entry
                   where event_type = 8 group by 1, 2, 3) e using (customer_id, currency_id, resource_id)
        where r.sum is distinct from e.sum""",
    "whoever paid an overdraft is known": """
        select customer_id, currency_id, resource_id, seq, t.amount::text, e.amount::text
        from drawdown.transfer t
        full join (select target.*, source.grant_id as overdraft_id
                   from drawdown.ledger_entry target
                   join drawdown.ledger_entry source
                     on (source.customer_id, source.currency_id, source.resource_id, source.seq, source.event_type)
                        = (target.customer_id, target.currency_id, target.resource_id, target.seq - 1, 6)
                   where target.event_type = 7) e using (customer_id, currency_id, resource_id, seq)
        where (t.overdraft_id, t.grant_id, t.amount) is distinct from (e.overdraft_id, e.grant_id, -e.amount)""",
    "an account holds what its open holds keep of grants that are posted": """
        select a.customer_id, a.currency_id, a.resource_id, a.held::text, h.sum::text
        from drawdown.account a, lateral (
            select coalesce(sum(h.amount), 0) as sum from drawdown.hold h
            where (h.customer_id, h.currency_id, h.resource_id) = (a.customer_id, a.currency_id, a.resource_id)
              and h.state = 0) h
        where a.held <> h.sum or exists (
            select from drawdown.hold h, json_to_recordset(h.parts) as p("grantId" text, amount numeric)
            where (h.customer_id, h.currency_id, h.resource_id) = (a.customer_id, a.currency_id, a.resource_id)
              and h.state = 0 and not exists (
                select from json_to_recordset(a.open_grants) as g("grantId" text, status text, remaining numeric)
                where g."grantId" = p."grantId" and g.remaining >= p.amount
                  and g.status not in ('SCHEDULED', 'PAYMENT_PENDING')))""",
    "a hold keeps the sum of its parts": """
        select customer_id, reservation_id, amount::text from drawdown.hold
        where amount <> (select sum(p.amount) from json_to_recordset(parts) as p(amount numeric))""",
    "a grant is open or has ended": """
        select g.customer_id, g.grant_id, g.end_kind, o.status
        from drawdown.credit_grant g
        left join (select a.customer_id, o."grantId" as grant_id, o.status
                   from drawdown.account a, json_to_recordset(a.open_grants) as o("grantId" text, status text)) o
        using (customer_id, grant_id)
        where case when o.status is null then g.end_kind = 0
                   else g.end_kind <> case o.status when 'EXPIRED' then 2 when 'VOIDED' then 3 else 0 end end""",
    "it is known when an account has something to do next": """
        select customer_id, currency_id, resource_id, d.us as stored, n.us as expected
        from (select d.*, (extract(epoch from due_at) * 1000000)::bigint as us from drawdown.due d) d
        full join (
            select a.customer_id, a.currency_id, a.resource_id, least(min(n.us), 253402300799999999) as us
            from drawdown.account a
            left join drawdown.currency c using (currency_id)
            cross join lateral (
                select case when g.status = 'SCHEDULED' then g."effectiveAt"
                            else g."expireAt" + coalesce((extract(epoch from c.expiry_grace) * 1000000)::bigint, 0) end
                from json_to_recordset(a.open_grants)
                         as g(status text, "effectiveAt" bigint, "expireAt" bigint)
                where g.status not in ('EXPIRED', 'VOIDED')
                union all
                select (extract(epoch from h.expires_at) * 1000000)::bigint from drawdown.hold h
                where (h.customer_id, h.currency_id, h.resource_id) = (a.customer_id, a.currency_id, a.resource_id)
                  and h.state = 0) n(us)
            where n.us is not null
            group by 1, 2, 3) n using (customer_id, currency_id, resource_id)
        where d.us is distinct from n.us""",
    "no grant has less than open holds keep of it": """
        select h.customer_id, h.currency_id, h.resource_id, h."grantId", h.kept::text, o.remaining::text
        from (
            select customer_id, currency_id, resource_id, part."grantId", sum(part.amount) as kept
            from drawdown.hold, json_to_recordset(parts) as part("grantId" text, amount numeric)
            where state = 0 group by customer_id, currency_id, resource_id, part."grantId") h
        left join (
            select customer_id, currency_id, resource_id, grants."grantId", grants.remaining
            from drawdown.account, json_to_recordset(open_grants) as grants("grantId" text, remaining numeric)) o
        using (customer_id, currency_id, resource_id, "grantId")
        where o.remaining is null or o.remaining < h.kept""",
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
           coalesce(account.alerts -> 'thresholds', '[]') as thresholds,
           case when fresh_topic is not null then json_build_object(
               'input', json_build_object('topic', fresh_topic, 'partition', fresh_partition, 'offset', fresh_offset),
               'eventTime', fresh_event_time) end as freshness
    from drawdown.accounts
    join (select customer_id, currency_id, resource_id as resource_key, alerts from drawdown.account) account
        using (customer_id, currency_id, resource_key)
    where clock is not null"""



def comparable(value, inside=False):
    """Numbers of dimensions are floats in one format and exact in another; true is no number."""
    if isinstance(value, dict):
        return {name: comparable(inner, True) for name, inner in value.items()}
    if inside and isinstance(value, (int, float, Decimal)):
        return isinstance(value, bool), float(value)
    return value


def _alert(threshold):
    """As the topic has it: without the hysteresis, the amount a number."""
    amount = threshold.get("amount")
    return {
        "amount": None if amount is None else Decimal(amount),
        "percent": threshold.get("percent"),
        "state": threshold["state"],
    }


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
                assert comparable(message[name]) == comparable(value), (
                    f"{entry['entryId']}: {name} is {message[name]} in the topic, {value} in the database"
                )

    def check_balances(self, records):
        """The newest message of each account in the balances topic is what the view of accounts says."""
        newest = {record.key: record for record in records}
        recorded = {
            "/".join(part for part in (row["customerId"], row["currencyId"], row["resourceId"]) if part): row
            for row in self.query(BALANCES)
        }
        assert newest.keys() == recorded.keys(), (
            f"without a balance in the topic: {sorted(recorded.keys() - newest.keys())[:5]}, "
            f"without a row: {sorted(newest.keys() - recorded.keys())[:5]}"
        )
        for key, row in recorded.items():
            message = newest[key].value
            row["thresholds"] = [_alert(threshold) for threshold in row["thresholds"]]
            if row["freshness"]:
                row["freshness"]["eventTime"] = datetime.fromisoformat(row["freshness"]["eventTime"])
            assert message == row, f"balance of {key}: {message} in the topic, {row} in the database"
