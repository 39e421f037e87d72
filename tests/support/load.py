"""A load of all kinds of events, with duplicates and conflicts, whose every consequence is certain.

While a worker runs, nobody knows how the two topics of a pair are merged, but for what the ledger shows. So what leaves no
entry must not depend on the other topic: customers that use every kind send it all to one topic, those that use both
topics only consume and are granted.
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from support.events import command, consume, extend, grant, release, reserve, reverse, settle, void

UNIT = Decimal("1e-12")
USAGE_KINDS = ("consume", "consume", "consume", "reserve", "settle", "extend", "release")
COMMAND_KINDS = (*USAGE_KINDS, "grant", "grant", "void", "confirm-payment", "reverse", "reverse", "configure", "advance")


class Load:
    """`name` is in every key and customer: several loads may go through one installation."""

    def __init__(self, client, chance, name="load", customers=8):
        self.client = client
        self.chance = chance
        self.name = name
        self.numbers = range(customers)
        self.count = 0
        self.sent = {}  # by customer: (topic, event, format)
        self.grants = {}
        self.holds = {}
        self.consumed = {}

    def open(self):
        """Credit for everybody, by the commands; usage may follow once it is handled."""
        for kind in ("both", "commands", "usage"):
            for number in self.numbers:
                customer = f"{self.name}-{kind}-{number}"
                self.sent[customer], self.holds[customer], self.consumed[customer] = [], [], []
                self.grants[customer] = ["opening"]
                self._produce("commands", grant(customer, 50, self._key(), grantId="opening"), "json")
        self.client.flush()

    def produce(self, count):
        """So many records, which are in the log when it returns."""
        self.send(count)
        self.client.flush()

    def send(self, count):
        """So many records, which may be on their way when it returns."""
        for _ in range(count):
            chance = self.chance.random()
            customer = self.chance.choice(list(self.sent))
            if chance < 0.02:
                self.client.produce("commands", b"no event", key=customer)
            elif chance < 0.12 and self.sent[customer]:
                topic, event, form = self.chance.choice(self.sent[customer])
                if "amount" in event and self.chance.random() < 0.3:
                    event = event | {"amount": event["amount"] + UNIT}  # a conflict
                self._produce(topic, event, form)
            else:
                self._produce_new(customer)

    def _produce_new(self, customer):
        topic = customer.split("-")[-2]
        if topic == "both":
            kind = self.chance.choice(("consume", "consume", "consume", "grant"))
            topic = "commands" if kind == "grant" else self.chance.choice(("usage", "commands"))
        else:
            kind = self.chance.choice(USAGE_KINDS if topic == "usage" else COMMAND_KINDS)
        event = getattr(self, "_" + kind.replace("-", "_"))(customer, self._key())
        self.sent[customer].append((topic, event, self.chance.choice(("json", "avro"))))
        self._produce(*self.sent[customer][-1])

    def _produce(self, topic, event, form):
        self.client.produce(topic, event, format=form)

    def _key(self):
        self.count += 1
        return f"{self.name}-{self.count}"

    def _amount(self, most):
        return Decimal(self.chance.randrange(1, most * 10**12)).scaleb(-12)

    def _any(self, known):
        """One of them, or (seldom) one that never was."""
        return self.chance.choice(known) if known and self.chance.random() < 0.9 else "unknown"

    def _time(self, least, most):
        """So many seconds from now."""
        return datetime.now(timezone.utc) + timedelta(seconds=self.chance.randrange(least, most))

    def _consume(self, customer, key):
        self.consumed[customer].append(key)
        return consume(customer, self._amount(9), key)

    def _grant(self, customer, key):
        self.grants[customer].append(key)
        fields = {"priority": self.chance.randrange(3), "grantType": self.chance.choice(("PAID", "PROMOTIONAL"))}
        if "-both-" not in customer:
            fields |= self.chance.choice(
                (
                    {},
                    {"awaitPaymentConfirmation": True},
                    {"effectiveAt": self._time(1, 4)},
                    {"expireAt": self._time(3, 9)},
                )
            )
        return grant(customer, self.chance.randrange(1, 40), key, grantId=key, **fields)

    def _void(self, customer, key):
        return void(customer, self._any(self.grants[customer]), key)

    def _confirm_payment(self, customer, key):
        return command(customer, "confirm-payment", key, grantId=self._any(self.grants[customer]))

    def _reverse(self, customer, key):
        amount = self.chance.choice((None, self._amount(3)))
        return reverse(customer, self._any(self.consumed[customer]), amount, key)

    def _configure(self, customer, key):
        overrides = (
            {},
            {"overLimit": "cap"},
            {"overLimit": "reject"},
            {"overdraftLimit": Decimal(20)},
            {"thresholds": [{"amount": Decimal(30)}]},
        )
        return command(customer, "configure", key, **self.chance.choice(overrides))

    def _advance(self, customer, key):
        return command(customer, "advance", key, dueAt=self._time(-9, -3))

    def _reserve(self, customer, key):
        self.holds[customer].append(key)
        return reserve(customer, self._amount(5), key, key, ttlSeconds=self.chance.choice((2, 3600)))

    def _settle(self, customer, key):
        return settle(customer, self._amount(5), self._any(self.holds[customer]), key)

    def _extend(self, customer, key):
        return extend(customer, self._any(self.holds[customer]), key, ttlSeconds=self.chance.choice((2, 3600)))

    def _release(self, customer, key):
        return release(customer, self._any(self.holds[customer]), key)
