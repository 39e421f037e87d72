"""Every statement that a lane runs finds its rows by their keys, with a million accounts, whatever the statistics say.

Method: a real worker handles a story in which every table gets rows; the owner multiplies them, to a million accounts,
and to two generations of receipts. Each statement is then prepared and explained in a session that was opened as a
lane opens its own. Which statements those are is read from the sources of the store: all but those that are run on the
loop's connection. A table that has customer_id grows with the customers: of such a table a plan may read only what an
index finds by customer, or by a key's hash, or what lies where its lock found it, and the statement must hold it to its
customer. The same statements without their customers are the proof that this can fail.
"""

import re
import time
from datetime import timedelta

import psycopg
import pytest
from support.events import command, consume, grant, reserve, reverse, settle
from support.servers import ROOT
from support.worker import Installation

ACCOUNTS = 1_000_000
OTHERS = 10_000  # customers that have rows in the other tables
SEED = "seed"
STORE = sorted((ROOT / "worker/engine").glob("store_*.c"))
SQL = ROOT / "worker/sql"
# Read by lanes, and no more of it where there are more customers.
WITHOUT_CUSTOMERS = {"currency", "input_position", "setting"}


# ---- the statements ----


def lane_statements(sources):
    """Names of the files in sql/ that these sources of the store run on a lane's connection."""
    text = "\n".join(sources)
    # static const struct postgres_statement NAME = {..., sql_FILE, ...};
    owners = {
        file: name
        for name, body in re.findall(r"struct postgres_statement (\w+) = \{(.*?)\};", text, re.DOTALL)
        for file in re.findall(r"\bsql_(\w+)", body)
    }
    of_loop = set(re.findall(r"postgres_query\(\s*&store->loop, &(\w+)", text))
    named = set(re.findall(r"\bsql_(\w+)", text)) - {"files", "migrations", "migrations_count"}
    return sorted(file for file in named if owners.get(file) not in of_loop)


def read_statement(name):
    """Without its comments."""
    return re.sub(r"--.*", "", (SQL / f"{name}.sql").read_text()).strip()


def is_explained(name):
    return not read_statement(name).startswith("copy")


HOT = lane_statements(path.read_text() for path in STORE)
EXPLAINED = [name for name in HOT if is_explained(name)]
CUSTOMER_CONDITION = r"(?:\w+\.)?\bcustomer_id = (?:any\s?\()?(k\.customer_id|\$\d+::text\[\])\)?"
SPOILED = [name for name in EXPLAINED if re.search(CUSTOMER_CONDITION, read_statement(name))]


# ---- a million accounts ----


def handle_story(drawdown):
    """One customer with rows in every table."""
    story = [
        ("commands", grant(SEED, 10, "give-a", grantId="a", priority=-1)),
        ("commands", grant(SEED, 20, "give-b", grantId="b", expireAt="2099-01-01T00:00:00Z")),
        ("usage", reserve(SEED, 2, "open")),
        ("usage", reserve(SEED, 3, "closed")),
        ("usage", settle(SEED, 3, "closed")),
        ("usage", consume(SEED, 12, "spans")),
        ("usage", consume(SEED, 15, "overdraws")),
        ("commands", grant(SEED, 30, "give-c", grantId="c")),
        ("commands", reverse(SEED, "spans", 1)),
        ("commands", command(SEED, "configure", overLimit="allow", thresholds=[{"amount": 5}])),
    ]
    worker = drawdown.worker().start()
    for topic, event in story:
        drawdown.client.produce(topic, event)
        drawdown.wait_for_lag_zero()
    assert worker.terminate() == 0


def growing_tables(owner):
    """Those with customer_id, without what is a partition of them."""
    return {
        name
        for (name,) in owner.execute(
            """select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
               where c.relnamespace = 'drawdown'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
                 and a.attname = 'customer_id'"""
        )
    }


def multiply(owner, table, customers, shift=timedelta(0)):
    """The seed's rows for so many customers, in their order; record timestamps moved by `shift`."""
    columns = owner.execute(
        """select attname, format_type(atttypid, null) from pg_attribute
           where attrelid = ('drawdown.' || %s)::regclass and attnum > 0 and not attisdropped and attgenerated = ''""",
        [table],
    ).fetchall()

    def value(name, kind):
        if name == "customer_id":
            return "'customer-' || lpad(n::text, 7, '0')"
        if kind == "uuid":  # a hash, of the customer among others
            return f"md5(t.{name}::text || n)::uuid"
        return f"t.{name} + $3" if name == "source_timestamp" else f"t.{name}"

    names = ", ".join(name for name, _ in columns)
    values = ", ".join(value(*column) for column in columns)
    psycopg.RawCursor(owner).execute(
        f"insert into drawdown.{table} ({names}) select {values} from generate_series(1, $1::integer) n, "
        f"(select * from drawdown.{table} where customer_id = $2) t where $3::interval is not null",
        [customers, SEED, shift],
    )


def fill(owner):
    """Statistics stay those of next to nothing."""
    relations = owner.execute(
        "select relname from pg_class where relnamespace = 'drawdown'::regnamespace and relkind = 'r'"
    ).fetchall()
    for (name,) in relations:
        owner.execute(f"alter table drawdown.{name} set (autovacuum_enabled = off)")
    owner.execute("analyze")
    seconds = owner.execute("select receipt_generation_us / 1000000 from drawdown.setting").fetchone()[0]
    a_generation = timedelta(seconds=seconds)
    owner.execute(
        "insert into drawdown.parked (ordinal, source_offset, source_timestamp, source_partition, customer_id, source_topic)"
        " values (1, 0, now(), 0, %s, 'plans.usage')",
        [SEED],
    )
    for table in sorted(growing_tables(owner)):
        multiply(owner, table, ACCOUNTS if table == "account" else OTHERS)
        assert owner.execute(f"select count(*) >= %s from drawdown.{table}", [OTHERS]).fetchone()[0], table
    newest = owner.execute("select max(source_timestamp) from drawdown.receipt").fetchone()[0]
    psycopg.RawCursor(owner).execute(read_statement("make_generation"), [newest - a_generation])
    multiply(owner, "receipt", OTHERS, -a_generation)


@pytest.fixture(scope="module")
def installation(servers, tmp_path_factory):
    installation = Installation(servers, tmp_path_factory.mktemp("plans"), "plans.")
    handle_story(installation)
    began = time.monotonic()
    with psycopg.connect(installation.owner_url, options="-c synchronous_commit=off -c jit=off") as owner:
        fill(owner)
    print(f"filled in {time.monotonic() - began:.1f} s")
    yield installation
    installation.close()


@pytest.fixture(scope="module", params=["stale statistics", "fresh statistics"])
def lane(request, installation):
    """A session of the worker's role, opened as a lane opens its own."""
    with psycopg.connect(installation.owner_url, autocommit=True) as owner:
        tables = growing_tables(owner)
        if request.param == "fresh statistics":
            owner.execute("analyze")
    with psycopg.connect(installation.database_url, autocommit=True, prepare_threshold=None) as connection:
        psycopg.RawCursor(connection).execute((SQL / "open_session.sql").read_text(), ["5000", "30000", "10000", "off"])
        connection.growing = tables
        yield connection


# ---- the plans ----


def explain(lane, text):
    """The generic plan of the statement as the worker prepares it: the server finds the parameters' types."""
    lane.execute(f"prepare hot as {text}")
    try:
        count = lane.execute("select cardinality(parameter_types) from pg_prepared_statements").fetchone()[0]
        arguments = f"({', '.join(['null'] * count)})" if count else ""
        return lane.execute(f"explain (verbose, format json) execute hot{arguments}").fetchone()[0][0]["Plan"]
    finally:
        lane.execute("deallocate hot")


def nodes_of(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


def conditions_of(plan):
    names = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond")
    return " ".join(node[name] for node in nodes_of(plan) for name in names if name in node)


def table_of(lane, relation):
    """Of a partition, what it is a partition of."""
    return lane.execute(
        "select relname from pg_class where oid = coalesce(pg_partition_root(%s::regclass), %s::regclass)",
        [f"drawdown.{relation}"] * 2,
    ).fetchone()[0]


def faults_of(lane, text):
    """What is wrong with the statement and its plan; none: it may run for each batch."""
    faults = []
    plan = explain(lane, text)
    everything = conditions_of(plan)
    for node in nodes_of(plan):
        if not node["Node Type"].endswith("Scan") or node.get("Schema") != "drawdown":
            continue
        table, alias = table_of(lane, node["Relation Name"]), node["Alias"]
        if table not in lane.growing:
            if table not in WITHOUT_CUSTOMERS:
                faults.append(f"{table} is not known to stay small")
            continue
        found_by = node.get("Index Cond") or node.get("TID Cond") or ""
        if "TID Cond" not in node and not re.search(rf"\b{alias}\.(customer_id|key_hash) = ", found_by):
            faults.append(f"{node['Node Type']} of {node['Relation Name']} by {found_by or 'nothing'}")
        if not re.search(rf"\b{alias}\.customer_id = |= {alias}\.customer_id\b", everything):
            faults.append(f"{node['Relation Name']} without customer_id")
    written = re.match(r"(?:insert into|copy|update|delete from) drawdown\.(\w+)(?:\s+as \w+)?\s*(\([^)]*\))?", text)
    if written and written[1] in lane.growing and written[2] and "customer_id" not in written[2]:
        faults.append(f"{written[1]} is written without customer_id")
    return faults


def test_the_statements_of_lanes_are_found():
    assert {"lock_accounts", "find_receipts", "update_accounts", "copy_entries", "move_positions"} <= set(HOT)
    assert not {"make_generation", "lock_positions", "read_schema_version"} & set(HOT)
    assert all((SQL / f"{name}.sql").exists() for name in HOT)
    assert len(SPOILED) >= 5


def test_a_statement_that_is_new_to_the_lanes_is_found():
    source = """
static const struct postgres_statement find_more = {
    "store.lock", "find_more", sql_find_more, {POSTGRES_INT8}};
static const struct postgres_statement claim_more = {"store.claim", "claim_more", sql_claim_more, {0}};
    outcome = postgres_query(locking->postgres, &find_more, &params, &result, reterr);
    outcome = postgres_query(&store->loop, &claim_more, &params, &result, reterr);
    run(&store->lanes[lane], sql_unheard_of);
"""
    assert lane_statements([source]) == ["find_more", "unheard_of"]


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_statement_of_lanes_finds_its_rows_by_customer(lane, name):
    assert faults_of(lane, read_statement(name)) == []


@pytest.mark.parametrize("name", [name for name in HOT if not is_explained(name)])
def test_a_copy_names_the_customer(lane, name):
    written = re.match(r"copy drawdown\.(\w+) \(([^)]*)\)", read_statement(name))
    assert written and written[1] in lane.growing and "customer_id" in re.split(r"\W+", written[2])


@pytest.mark.parametrize("name", SPOILED)
def test_a_statement_that_lost_its_customer_is_seen(lane, name):
    spoiled = re.sub(CUSTOMER_CONDITION, r"\1 is not null", read_statement(name))
    assert any("without customer_id" in fault for fault in faults_of(lane, spoiled))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("select count(*) from drawdown.account a where a.balance < $1::numeric", "Seq Scan of account by nothing"),
        (
            """select l.seq from unnest($1::text[], $2::text[]) as k(customer_id, key)
               join drawdown.ledger_entry l on l.idempotency_key = k.key and l.customer_id || '' = k.customer_id""",
            "Scan of ledger_entry",
        ),
        ("select d.customer_id from drawdown.due d where d.due_at <= $1::timestamptz", "due without customer_id"),
        ("select g.grant_id from drawdown.credit_grant g order by g.customer_id limit 5", "by nothing"),
        ("insert into drawdown.due (due_at) select $1::timestamptz", "due is written without customer_id"),
        ("select version from drawdown.schema_version", "not known to stay small"),
    ],
)
def test_a_bad_statement_is_seen(lane, text, fault):
    assert any(fault in found for found in faults_of(lane, text))
