"""What happens to an account, told twice: to one customer step by step, with the worker killed in the middle, to another
in one batch. Both must get the same books, whose entries the test then names.

Times are minutes after START; the inputs take the producer's timestamps, so nothing waits for a clock. No sweeper
brings accounts to the time of the clock on the wall meanwhile.
"""

from datetime import datetime, timedelta, timezone

START = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=2)
APART, TOGETHER = "acme", "zeta"


def minute(number):
    return START + timedelta(minutes=number)


def at(number, make, *arguments, **fields):
    """A step: at that minute the event make(customer, *arguments, **fields)."""
    return number, make, arguments, fields


def in_one_batch(steps):
    """Options of a worker that takes as many records at once, however slowly they come."""
    return {"batch.records.max": len(steps), "batch.linger": "10s"}


class Story:
    def __init__(self, install, **settings):
        self.drawdown = install({"inputs.timestamps": "trusted", "sweep.interval": 0})
        if settings:
            self.drawdown.set_currency("ai-tokens", **settings)

    def produce(self, customer, steps):
        for number, make, arguments, fields in steps:
            timestamp = round(minute(number).timestamp() * 1000)
            self.drawdown.client.produce("commands", make(customer, *arguments, **fields), timestamp=timestamp)

    def tell(self, *steps):
        """The entries that came of it, the same for both: (type, grant, amount, minute, key)."""
        self.produce(TOGETHER, steps)
        worker = self.drawdown.worker(options=in_one_batch(steps)).start()
        self.drawdown.wait_for_lag_zero()
        assert worker.terminate() == 0
        worker = self.drawdown.worker().start()
        for number, step in enumerate(steps):
            if number == len(steps) // 2:
                worker.kill()
                worker.start()
            self.produce(APART, [step])
            self.drawdown.wait_for_lag_zero()
        self.drawdown.check_books()
        assert self.transactions(TOGETHER) == 1 < self.transactions(APART)
        for table, ordering in {"hold": "ordinal", "transfer": "seq", "reversal": "first_seq"}.items():
            assert self.rows(table, APART, ordering) == self.rows(table, TOGETHER, ordering), table
        assert self.moves(APART) == self.moves(TOGETHER)
        assert self.answers(APART) == self.answers(TOGETHER)
        assert self.notifications(APART) == self.notifications(TOGETHER)
        return self.moves(APART)

    def transactions(self, customer):
        """How many wrote the customer's receipts."""
        statement = "select count(distinct xmin::text) as count from drawdown.receipt where customer_id = %s"
        return self.drawdown.books.query(statement, customer)[0]["count"]

    def rows(self, table, customer, ordering):
        statement = f"""select to_jsonb(t) - 'customer_id' as row from drawdown.{table} t
                        where customer_id = %s order by {ordering}"""
        return [row["row"] for row in self.drawdown.books.query(statement, customer)]

    def moves(self, customer=APART):
        return [
            (
                entry["eventType"].removeprefix("CREDITS_").removeprefix("CONSUMPTION_"),
                entry["grantId"].split(":")[0],
                entry["amount"],
                (entry["recordedAt"] - START) / timedelta(minutes=1),
                entry["idempotencyKey"],
            )
            for entry in self.drawdown.books.entries()
            if entry["customerId"] == customer
        ]

    def answers(self, customer=APART):
        """{key: (outcome, code, applied amount, balance)} of the customer's receipts."""
        return {
            row["idempotency_key"]: (row["outcome"], row["code"], row["applied_amount"], row["balance"])
            for row in self.drawdown.books.receipts(customer_id=customer)
        }

    def outcomes(self, customer=APART):
        """What was published of inputs that made no entry: (key, type, outcome, code, requested, applied, balance)."""
        published = [r.value for r in self.drawdown.client.read("outcomes") if r.value["customerId"] == customer]
        names = ("idempotencyKey", "type", "outcome", "code", "requestedAmount", "appliedAmount", "balance")
        return sorted(tuple(value[name] for name in names) for value in published)

    def codes(self):
        """Why inputs were rejected, by key."""
        return {key: answer[1] for key, answer in self.answers().items() if answer[1] is not None}

    def notifications(self, customer=APART):
        """(type, grant, balance, held) as they were told, once each."""
        told = [r.value for r in self.drawdown.client.read("notifications") if r.value["customerId"] == customer]
        assert len({value["notificationId"] for value in told}) == len(told)
        return [(value["type"], value["grantId"], value["balance"], value["held"]) for value in told]
