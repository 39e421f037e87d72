"""Histories of customers at random: what many producers might send in a few days, and what they should not.

A history is told by a `Teller`: event after event it picks a kind, an account and fields, with an eye on what it told
before, so that keys, grants, reservations and instants meet. It does not know the rules: what comes of an event is the
referee's business. The record timestamps are the history's own (`inputs.timestamps = trusted`): days pass at once.

A `Run` is several histories that go through one installation, with its settings; as a file it can be repeated.
"""

from __future__ import annotations

import decimal
import heapq
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from model.account import Currency
from model.contract import BOUND, KINDS, UNIT, USAGE_KINDS, read_thresholds
from support.client import SCHEMAS, encode_avro, encode_json

MILLISECOND, SECOND, MINUTE, HOUR = (timedelta(milliseconds=n) for n in (1, 1000, 60000, 3600000))
DAY = 24 * HOUR
SPAN = 4 * DAY  # of a history
WIDE = decimal.Context(prec=90, rounding=decimal.ROUND_DOWN)
EDGES = (
    Decimal("1e-12"),
    Decimal("0.999999999999"),
    Decimal("10000000000000000000000000"),
    Decimal("50000000000000000000000000.000000000001"),
    Decimal("99999999999999999999999999.999999999999"),
    Decimal("123456789012.345678901234"),
)
CURRENCY_IDS = ("ai-tokens", "gpu-hours", "seats", "euro", "loose")  # `loose` never has a row of settings
RESOURCES = (None, None, None, "team.1", "team.2")

# How often which kind comes, by what a history is about.
PROFILES = {
    "burn": {"consume": 60, "grant": 25, "void": 4, "reverse": 4, "configure": 1, "reserve": 2, "settle": 2, "advance": 1},
    "holds": {"consume": 5, "grant": 30, "void": 4, "reserve": 26, "settle": 18, "release": 8, "extend": 8, "reverse": 4},
    "reversals": {"consume": 36, "grant": 18, "void": 5, "reverse": 32, "reserve": 3, "settle": 4, "advance": 1},
    "thresholds": {"consume": 45, "grant": 20, "configure": 14, "reverse": 6, "reserve": 5, "settle": 4, "release": 3},
    "edges": {"consume": 35, "grant": 30, "void": 8, "reverse": 12, "reserve": 6, "settle": 6, "configure": 3},
    "payments": {"consume": 30, "grant": 35, "confirm-payment": 18, "void": 8, "advance": 4, "reverse": 5},
    "all": {kind: 10 for kind in KINDS} | {"consume": 40, "grant": 30},
}


@dataclass(frozen=True)
class Input:
    """One record to produce."""

    topic: str  # usage, commands
    at: int  # its timestamp, milliseconds
    customer: str  # the key
    text: str  # the event as JSON, or what cannot be understood
    format: str = "json"
    portion: int = 0

    def raw(self):
        if self.format != "avro":
            return self.text.encode()
        event = json.loads(self.text, parse_float=Decimal)
        for name in ("dimensions", "metadata"):
            if event.get(name):
                event[name] = {key: float(n) if isinstance(n, Decimal) else n for key, n in event[name].items()}
        return encode_avro(event)

    def renamed(self, name):
        """The same of another customer."""
        text = self.text.replace(json.dumps(self.customer), json.dumps(name))
        return Input(self.topic, self.at, name, text, self.format, self.portion)


@dataclass
class Run:
    """What goes through one installation. `currencies`: columns of drawdown.currency by currency."""

    currencies: dict
    options: dict
    inputs: list = field(default_factory=list)

    @property
    def portions_count(self):
        return 1 + max((item.portion for item in self.inputs), default=0)

    def rules(self):
        """What the referee has to know of the options; the settings of currencies it reads in the database."""
        return {
            "window": timedelta(hours=int(self.options["dedupe.window"].removesuffix("h"))),
            "grants_open_max": int(self.options["grants.open.max"]),
            "holds_open_max": int(self.options["holds.open.max"]),
            "currencies_open": self.options["currencies.open"] == "yes",
        }

    def referee_currencies(self):
        return {
            name: Currency(
                timedelta(seconds=row["expiry_grace"]),
                row["over_limit"],
                None if row["overdraft_limit"] is None else Decimal(row["overdraft_limit"]),
                read_thresholds(row["thresholds"]),
            )
            for name, row in self.currencies.items()
        }

    def write(self, path):
        lines = [json.dumps({"currencies": self.currencies, "options": self.options})]
        lines += [json.dumps(asdict(item), ensure_ascii=False) for item in self.inputs]
        Path(path).write_text("\n".join(lines) + "\n")

    @classmethod
    def read(cls, path):
        head, *lines = Path(path).read_text().splitlines()
        return cls(**json.loads(head), inputs=[Input(**json.loads(line)) for line in lines])


def make_run(chance, events_count, kinds=KINDS, end=None, currencies=None, options=None):
    """Some histories that end at `end` (now), told one into the other, in portions; settings as given, or by chance."""
    end = (end or datetime.now(timezone.utc)).replace(microsecond=0)
    window = chance.choice((30 * DAY, 36 * HOUR))
    options_by_chance = {
        "dedupe.window": f"{window // HOUR}h",
        "dedupe.generation": f"{window // HOUR}h",
        "grants.open.max": chance.choice((1000, 1000, 12)),
        "holds.open.max": chance.choice((1000, 2)),
        "currencies.open": chance.choice(("no", "no", "no", "yes")),
        "outputs.format": chance.choice(("json", "avro")),
        "outcomes": chance.choice(("exceptional", "all")),
    }
    by_chance = {name: _settings(chance) for name in chance.sample(CURRENCY_IDS[:-1], 3)}
    run = Run(currencies or by_chance, options or options_by_chance)
    histories, left = [], events_count
    while left > 0:
        length = min(left, chance.choice((1, 10, 100, 500, 1000, 2000)))
        left -= length
        teller = Teller(chance, run, f"h{len(histories)}", kinds, end - SPAN, SPAN, length)
        histories.append(teller.tell())
    told = [item for _, item in heapq.merge(*histories, key=lambda told: told[0])]
    portions = chance.choice((1, 2, 3, 4))
    cuts = sorted(chance.randrange(len(told) + 1) for _ in range(portions - 1))
    for index, item in enumerate(told):
        portion = sum(cut <= index for cut in cuts)
        run.inputs.append(Input(item.topic, item.at, item.customer, item.text, item.format, portion))
    return run


def _settings(chance):
    amounts = chance.sample((5, 10, 50, 100, "0.000000000001", 1000), chance.randrange(3))
    percents = chance.sample((1, 20, 50, 100), chance.randrange(3))
    thresholds = [{"amount": amount, "hysteresis": chance.choice((0, 10, 100))} for amount in amounts]
    thresholds += [{"percent": percent} for percent in percents]
    chance.shuffle(thresholds)
    return {
        "expiry_grace": chance.choice((0, 0, 1, 3600, 86400)),
        "over_limit": chance.choice(("allow", "allow", "cap", "reject")),
        "overdraft_limit": chance.choice((None, None, "0", "25.5", "1000")),
        "thresholds": thresholds,
    }


class Teller:
    def __init__(self, chance, run, name, kinds, start, span, length):
        self.chance = chance
        self.window = run.rules()["window"]
        self.graces = {name: timedelta(seconds=row["expiry_grace"]) for name, row in run.currencies.items()}
        self.name = name
        self.start = self.now = start
        self.length = length
        self.pace = span * chance.choice((0.02, 0.2, 0.9)) / (2 * length + 20)
        profile = PROFILES[chance.choice(list(PROFILES))]
        weights = {kind: weight for kind, weight in profile.items() if kind in kinds}
        self.kinds = list(weights) or list(kinds)
        self.weights = [weights.get(kind, 1) for kind in self.kinds]
        self.is_about_edges = profile is PROFILES["edges"]
        customers = [f"{name}-c{number}" for number in range(chance.choice((1, 1, 2, 4)))]
        currencies = chance.sample(CURRENCY_IDS, chance.choice((1, 1, 2, 5)))
        resources = list(dict.fromkeys(chance.sample(RESOURCES, chance.choice((1, 1, 2, 4)))))
        if chance.random() < 0.1:
            resources += [f"seat@{number}" for number in range(8)]
        every = [(customer, currency, resource) for customer in customers for currency in currencies for resource in resources]
        self.accounts = chance.sample(every, min(50, len(every)))
        self.numbers = 0
        self.sent = []  # [(topic, event)]
        self.grants = []  # [(account, grant id, amount)]
        self.used = []  # [(account, key, amount)]
        self.holds = []  # [(account, reservation id, amount)]
        self.instants = []  # at which something may be due

    def tell(self):
        """[(when it is told, Input)], in order."""
        told = []
        for _ in range(self.length):
            self._pass_time()
            told.append((self.now, self._next()))
        return told

    # ---- chance ----

    def _hits(self, probability):
        return self.chance.random() < probability

    def _of(self, *choices):
        return self.chance.choice(choices)

    def _fresh(self, what):
        self.numbers += 1
        return f"{what}-{self.numbers}"

    def _recent(self, items, reach=12):
        """One of them, mostly a late one."""
        return self.chance.choice(items[-reach:] if self._hits(0.8) else items)

    def _pass_time(self):
        roll = self.chance.random()
        if roll < 0.35:
            return
        if roll < 0.45:
            self.now += self.chance.randrange(1, 1000) * MILLISECOND
        elif roll < 0.6:
            coming = [when for when in self.instants if self.now < when < self.now + 6 * self.pace]
            if coming:
                self.now = self._whole(self.chance.choice(coming)) + self._of(-1, 0, 0, 0, 1) * MILLISECOND
        else:
            self.now += self._whole_span(self.chance.expovariate(1 / 2.5) * self.pace)
        if self._hits(0.05):
            self.instants = [when for when in self.instants if when > self.now]

    def _whole(self, when):
        return when.replace(microsecond=when.microsecond // 1000 * 1000)

    def _whole_span(self, span):
        return span // MILLISECOND * MILLISECOND

    def _instant(self):
        """One that something meets: of before, or a new one."""
        if self.instants and self._hits(0.4):
            return self.chance.choice(self.instants)
        span = self.chance.choice((SECOND, MINUTE, HOUR, self.pace, 5 * self.pace, 30 * self.pace, DAY))
        when = self.now + self._whole_span(span * self.chance.choice((0.5, 1, 1, 2, 7)))
        if self._hits(0.05):
            when += timedelta(microseconds=self.chance.randrange(1000))
        self.instants.append(when)
        return when

    def _amount(self):
        if self._hits(0.6 if self.is_about_edges else 0.005):
            return self.chance.choice(EDGES)
        roll = self.chance.random()
        if roll < 0.5:
            return Decimal(self.chance.randrange(1, 60))
        if roll < 0.85:
            return Decimal(self.chance.randrange(1, 5000)).scaleb(-2)
        return Decimal(self.chance.randrange(1, 50 * 10**12)).scaleb(-12)

    def _part_of(self, amount):
        """Near or inside an amount of before."""
        if self._hits(0.4):
            return amount
        part = WIDE.multiply(amount, Decimal(self.chance.randrange(1, 100)).scaleb(-2)).quantize(UNIT, context=WIDE)
        beyond = self._of(WIDE.add(amount, UNIT), WIDE.multiply(amount, 2), self._amount())
        return part if part > 0 and self._hits(0.7) else beyond if beyond < BOUND else amount

    # ---- one event ----

    def _next(self):
        if self.sent and self._hits(0.07):
            topic, event = self._again()
        else:
            kind = self.chance.choices(self.kinds, self.weights)[0]
            account = self.chance.choice(self.accounts)
            if kind in ("settle", "extend", "release") and self.holds and self._hits(0.9):
                account = self.chance.choice(self.holds[-12:])[0]
            event = self._event(kind, account)
            topic = self._topic(kind)
        at = self.now
        if self._hits(0.08):  # written late, or by a producer whose clock is behind
            at -= self._whole_span(self.chance.choice((SECOND, HOUR, 10 * self.pace)) * self.chance.random())
            at = max(at, self.start)
        if self._hits(0.02):
            return self._broken(topic, at, event)
        self.sent.append((topic, event))
        record_name = event.get("type", "consume").title().replace("-", "")
        is_avro = record_name in SCHEMAS and self._hits(0.4)
        return self._input(topic, at, event["customerId"], encode_json(event).decode(), "avro" if is_avro else "json")

    def _input(self, topic, at, customer, text, written="json"):
        return Input(topic, round(at.timestamp() * 1000), customer, text, written)

    def _topic(self, kind):
        if kind in USAGE_KINDS:
            return self._of("usage", "usage", "commands")
        return "usage" if self._hits(0.02) else "commands"

    def _again(self):
        """What was sent before: by another way, at another time, or with its key for something else."""
        topic, event = self._recent(self.sent)
        event = dict(event)
        if self._hits(0.3):
            event["createdAt"] = self.now
        if self._hits(0.3):
            change = self._of("amount", "resourceId", "currencyId", "grantId", "reservationId")
            if change == "amount" and "amount" in event:
                event["amount"] = self._amount()
            elif change in event:
                event[change] = self.chance.choice(CURRENCY_IDS) if change == "currencyId" else self._fresh("other")
        elif self._hits(0.3):
            topic = self._topic(event.get("type", "consume"))
        return topic, event

    def _event(self, kind, account):
        customer, currency, resource = account
        key = self._fresh("k")
        if self.sent and self._hits(0.01):
            key = self._recent(self.sent)[1]["idempotencyKey"]
        event = {"customerId": customer, "currencyId": currency, "idempotencyKey": key}
        if kind != "consume" or self._hits(0.1):
            event["type"] = kind
        if resource is not None or self._hits(0.1):
            event["resourceId"] = resource
        created_at = self._created_at()
        if created_at is not None:
            event["createdAt"] = created_at
        event |= getattr(self, "_" + kind.replace("-", "_"))(account, key)
        return event

    def _created_at(self):
        roll = self.chance.random()
        if roll < 0.7:
            return None
        if roll < 0.78:
            return self.now - self._whole_span(self.chance.random() * 8 * self.pace)
        passed = [when for when in self.instants[-30:] if when <= self.now + MINUTE]
        if roll < 0.86 and passed:
            return self.chance.choice(passed) + self._of(-1, 0, 0) * timedelta(microseconds=1)
        if roll < 0.97:
            return self.now - self._whole_span(self.chance.random() * 2 * HOUR)
        tolerance = 5 * MINUTE
        return self.now + self._of(-self.window, -self.window - MILLISECOND, tolerance, tolerance + MILLISECOND)

    def _mine(self, items, account):
        """One of these that belongs to the account, mostly."""
        mine = [item for item in items[-200:] if item[0] == account]
        if mine and self._hits(0.95):
            return self._recent(mine)
        return self._recent(items) if items else None

    def _consume(self, account, key):
        amount = self._amount()
        self.used.append((account, key, amount))
        fields = {"amount": f"{amount:f}" if self._hits(0.1) else amount}
        if self._hits(0.15):
            fields["dimensions"] = self._of({"model": "x"}, {"n": self.chance.randrange(9), "ok": True, "f": 0.5}, {})
        return fields

    def _grant(self, account, key):
        amount = self._amount()
        amount *= self._of(1, 3, 10) if amount < 10**20 else 1
        fields = {"amount": amount, "grantType": self._of("PAID", "PROMOTIONAL")}
        if self._hits(0.7):
            fields["grantId"] = self._fresh("g")
        if self.grants and self._hits(0.03):
            fields["grantId"] = self._recent(self.grants)[1]
        if self._hits(0.01):
            fields["grantId"] = "overdraft:mine"
        if self._hits(0.5):
            fields["priority"] = self._of(-1, 0, 1)
        if self._hits(0.3):
            fields["effectiveAt"] = self._of(self._instant(), self.now, self.now - HOUR, self._instant())
        if self._hits(0.65):
            fields["expireAt"] = self._instant() if self._hits(0.95) else self._of(self.now, self.now - SECOND)
            self.instants.append(fields["expireAt"] + self.graces.get(account[1], timedelta(0)))
        if self._hits(0.08):
            fields["cost"] = {"amount": Decimal("9.90"), "currency": "EUR"}
        if self._hits(0.05):
            fields |= {"displayName": "Welcome", "comment": "by hand", "metadata": {"deal": "D-7"}}
        if "confirm-payment" in self.kinds and self._hits(0.4):
            fields["awaitPaymentConfirmation"] = True
        if not fields.get("grantId", "").startswith("overdraft:"):  # of those only the engine knows the names
            self.grants.append((account, fields.get("grantId") or "grant/" + key, amount))
        return fields

    def _named_grant(self, account, _key):
        known = self._mine(self.grants, account)
        return {"grantId": known[1] if known and self._hits(0.97) else self._fresh("no-such")}

    _void = _confirm_payment = _named_grant

    def _reverse(self, account, _key):
        known = self._mine(self.used, account)
        if known is None or self._hits(0.03):
            return {"reversedKey": self._fresh("no-such")}
        fields = {"reversedKey": known[1]}
        if self._hits(0.55):
            fields["amount"] = self._part_of(known[2] or Decimal(1))
        return fields

    def _configure(self, _account, _key):
        fields = {}
        if self._hits(0.6):
            fields["overLimit"] = self._of("allow", "allow", "cap", "reject")
        if self._hits(0.3):
            fields["overdraftLimit"] = self._of(0, 10, Decimal("99.5"), 10**6)
        if self._hits(0.7):
            fields["thresholds"] = _settings(self.chance)["thresholds"]
        return fields

    def _end_of_hold(self):
        roll = self.chance.random()
        if roll < 0.4:
            seconds = self._of(1, 3600, 86400, 86400, max(1, min(86400, self.pace // SECOND * self._of(1, 5, 20))))
            self.instants.append(self.now + seconds * SECOND)
            return {"ttlSeconds": seconds}
        if roll < 0.45:
            return {"ttlSeconds": self._of(0, -1, 86401, 2**63 - 1)}
        if roll < 0.5:
            return {"expiresAt": self._of(self.now, self.now - SECOND, self.now + DAY, self.now + DAY + MILLISECOND)}
        return {"expiresAt": self._instant()}

    def _reserve(self, account, _key):
        reservation, amount = self._fresh("r"), self._amount() if self._hits(0.5) else Decimal(self.chance.randrange(1, 9))
        if self.holds and self._hits(0.1):
            reservation = self._recent(self.holds)[1]
        self.holds.append((account, reservation, amount))
        fields = {"reservationId": reservation, "amount": amount}
        if self._hits(0.85):
            return fields | self._end_of_hold()
        self.instants.append(self.now + HOUR)
        return fields

    def _named_hold(self, account, closes=True):
        known = self._mine(self.holds[-20:], account)
        if known is None or self._hits(0.03):
            return self._fresh("no-such"), self._amount()
        if closes and known in self.holds and self._hits(0.7):
            self.holds.remove(known)
        return known[1:]

    def _settle(self, account, key):
        reservation, amount = self._named_hold(account)
        amount = Decimal(0) if self._hits(0.08) else self._part_of(amount)
        self.used.append((account, key, amount))
        return {"reservationId": reservation, "amount": amount}

    def _release(self, account, _key):
        return {"reservationId": self._named_hold(account)[0]}

    def _extend(self, account, _key):
        return {"reservationId": self._named_hold(account, closes=False)[0]} | self._end_of_hold()

    def _advance(self, _account, _key):
        return {"dueAt": self._of(self.now, self.now - HOUR, self._instant())}

    # ---- what cannot be understood ----

    def _broken(self, topic, at, event):
        """The event with one thing wrong."""
        customer, kind = event["customerId"], event.get("type", "consume")
        ways = ["bytes", "key", "currency", "kind", "time"]
        ways += ["amount"] * 4 if "amount" in event else []
        ways += ["thresholds"] * 4 if kind == "configure" else []
        ways += ["end"] * 3 if kind in ("reserve", "extend") else []
        way = self.chance.choice(ways)
        event = dict(event)
        if way == "bytes":
            text = encode_json(event).decode()
            return self._input(topic, at, customer, self._of(text[:-1], "", "[]", "?", text + "}"), "raw")
        if way == "key":
            event["idempotencyKey"] = self._of(None, "", "x" * 256, 7)
        elif way == "currency":
            event["currencyId"] = self._of(None, "a@b", "", "-x")
        elif way == "kind":
            event["type"] = self._of("spend", "CONSUME", "")
        elif way == "time":
            event["createdAt"] = self._of("yesterday", "2026-01-02T03:04:05", 7)
        elif way == "amount":
            wrong = ["1e26", "0.0000000000001", -1, "x", True, "100000000000000000000000000", "1e-13", "1.0000000000001"]
            wrong += [0] if kind != "settle" else []
            wrong += [None] if kind != "reverse" else []
            event["amount"] = self.chance.choice(wrong)
        elif way == "thresholds":
            event["thresholds"] = self._of(
                [{"amount": 1, "percent": 1}],
                [{}],
                [{"percent": 101}],
                [{"percent": 0}],
                [{"amount": 0}],
                [{"amount": 5}, {"amount": "5.0"}],
                [{"percent": 5}, {"percent": 5, "hysteresis": 7}],
                [{"amount": number} for number in range(1, 18)],
                "none",
            )
        elif way == "end":
            event |= {"ttlSeconds": 60, "expiresAt": self.now + HOUR}
            if kind == "extend" and self._hits(0.5):
                event |= {"ttlSeconds": None, "expiresAt": None}
        return self._input(topic, at, customer, encode_json(event).decode(), "raw")
