"""Deliberate bugs: each must make the referee and the system differ, or the referee proves nothing.

A bug is an edit of one source file, or of two. The binaries are built here from a copy of the sources, and are never installed:
`python -m model.bugs DIR [name...]` builds into DIR what is not there yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("CMakeLists.txt", "CMakePresets.json", "cmake", "worker", "include", "proto", "config", "tests/bench")


@dataclass(frozen=True)
class Bug:
    name: str
    what: str
    file: str
    old: str
    new: str
    also: tuple = ()  # more edits: (file, old, new)


BUGS = [
    Bug(
        "no_dedupe",
        "usage whose key was handled before is debited again",
        "worker/core/resolve.c",
        "	if (dedupe_decide(record, rules, work->receipts_from))\n		return;",
        "	bool is_again = record->key_slot->receipt && !record_is_recalled(record) &&\n"
        "			record->event.kind == EVENT_CONSUME;\n"
        "	if (!is_again && dedupe_decide(record, rules, work->receipts_from))\n		return;\n"
        "	if (is_again) {\n"
        "		advance_account(work, rules, account, record, record->source.timestamp);\n"
        "		allocate_event(work, rules, record);\n		return;\n	}",
    ),
    Bug(
        "conflict_is_duplicate",
        "a key used for another amount is taken for a repetition",
        "worker/core/event.c",
        "	put_credit(&parts, event->amount);",
        "	put_credit(&parts, event->kind == EVENT_CONSUME ? 0 : event->amount);",
    ),
    Bug(
        "shared_key_classes",
        "usage and commands share their keys",
        "worker/core/event.c",
        'event_class == CLASS_USAGE ? TEXT_LITERAL("usage") : TEXT_LITERAL("command")',
        'event_class == CLASS_USAGE ? TEXT_LITERAL("usage") : TEXT_LITERAL("usage")',
    ),
    Bug(
        "paid_first",
        "paid credits burn before promotional ones",
        "worker/core/account.c",
        "order = compare_integers(a->grant_type, b->grant_type);",
        "order = compare_integers(b->grant_type, a->grant_type);",
    ),
    Bug(
        "later_start_first",
        "of two equal grants the one that began later burns first",
        "worker/core/account.c",
        "order = compare_integers(a->effective_at, b->effective_at);",
        "order = compare_integers(b->effective_at, a->effective_at);",
    ),
    Bug(
        "expiry_late",
        "a grant expires one microsecond after its time",
        "worker/core/account.c",
        "	return grant->expire_at + expiry_grace;",
        "	return grant->expire_at + expiry_grace + 1;",
    ),
    Bug(
        "no_late_usage",
        "usage from before the expiry is not paid within the grace",
        "worker/core/consume.c",
        "		       (grant->expire_at == INSTANT_NONE || grant->expire_at > event_time);",
        "		       (grant->expire_at == INSTANT_NONE || grant->expire_at > event_time + 1000000);",
    ),
    Bug(
        "time_goes_back",
        "a record that is behind the account's clock sets it back",
        "worker/core/advance.c",
        "	account->clock = target;",
        "	account->clock = now;",
    ),
    Bug(
        "limit_off_by_one",
        "the overdraft may be one unit of the last digit deeper than its limit",
        "worker/core/consume.c",
        "*uncovered > limit + (overdraft ? overdraft->remaining : 0)",
        "*uncovered > 1 + limit + (overdraft ? overdraft->remaining : 0)",
    ),
    Bug(
        "capped_is_applied",
        "usage that was capped is reported as applied",
        "worker/core/allocate.c",
        "	return (event->kind == EVENT_CONSUME || event->kind == EVENT_SETTLE) && applied < event->amount;",
        "	return event->kind == EVENT_SETTLE && applied < event->amount;",
    ),
    Bug(
        "returned_pays_nothing",
        "what a hold gives back leaves the overdraft as it is",
        "worker/core/hold.c",
        "	for (size_t i = 0; i < hold->parts_count && account_overdraft(account); i++)",
        "	for (size_t i = 0; i < hold->parts_count && account_overdraft(account) && account->seq < 0; i++)",
    ),
    Bug(
        "reversal_above_amount",
        "a reversal of more than is left reverses what is left",
        "worker/core/reverse.c",
        "	if (amount > left)\n		return REJECT_EXCEEDS_CONSUMPTION;",
        "	if (amount > left)\n		amount = left;",
    ),
    Bug(
        "reversal_forwards",
        "a reversal begins with the first debit",
        "worker/core/reverse.c",
        "		const struct debit *debit = &consumption->debits[i];",
        "		const struct debit *debit = &consumption->debits[consumption->debits_count - 1 - i];",
    ),
    Bug(
        "consumed_stays",
        "a reversal leaves the sum of consumption as it was",
        "worker/core/reverse.c",
        "	occasion->account->consumed -= amount;\n",
        "",
    ),
    Bug(
        "lost_hold",
        "a settle below what is held takes all that is held",
        "worker/core/hold.c",
        "		code = consume_amount(occasion, hold, occasion->record->event.amount, ret_applied);",
        "		code = consume_amount(occasion, hold, occasion->record->event.amount < hold->amount ? hold->amount "
        ": occasion->record->event.amount, ret_applied);",
    ),
    Bug(
        "hold_outlives",
        "a hold runs out one microsecond after its time to live",
        "worker/core/hold.c",
        "	*ret_end = now + terms->ttl;",
        "	*ret_end = now + terms->ttl + 1;",
    ),
    Bug(
        "closed_reservation_is_free",
        "the id of a closed reservation may be used again",
        "worker/core/hold.c",
        "	if (account_find_hold(account, event->hold->reservation_id))\n		return REJECT_RESERVATION_EXISTS;",
        "	struct hold *known = account_find_hold(account, event->hold->reservation_id);\n"
        "	if (known && known->state == HOLD_OPEN)\n		return REJECT_RESERVATION_EXISTS;\n"
        "	if (known)\n		return REJECT_INSUFFICIENT_CREDITS;",
    ),
    Bug(
        "double_notification",
        "a threshold that was reached stays armed: each event below it tells it again",
        "worker/core/alerts.c",
        "			alert->state = ALERT_DISARMED;\n",
        "",
    ),
    Bug(
        "no_hysteresis",
        "a threshold is armed again as soon as the balance is above it",
        "worker/core/alerts.c",
        "stands_above(spendable, level, alert->threshold.hysteresis)",
        "stands_above(spendable, level, 0)",
    ),
    Bug(
        "held_counts_as_spendable",
        "thresholds look at the balance and not at what may be spent",
        "worker/core/alerts.c",
        "	const credit_t spendable = account->balance - account->held;",
        "	const credit_t spendable = account->balance;",
    ),
    Bug(
        "unpaid_is_posted",
        "a grant that awaits its payment is posted at once",
        "worker/core/grant.c",
        "		.status = terms->await_payment ? GRANT_PENDING : GRANT_SCHEDULED,",
        "		.status = GRANT_SCHEDULED,",
    ),
    Bug(
        "one_grant_too_many",
        "one more grant may be open than the account may have",
        "worker/core/grant.c",
        "	if (count_open_grants(account) >= occasion->rules->grants_open_max)",
        "	if (count_open_grants(account) > occasion->rules->grants_open_max)",
    ),
    Bug(
        "overrides_add_up",
        "what a configure leaves out stays as it was",
        "worker/core/allocate.c",
        "		occasion->account->settings = *event->settings;",
        "		if (event->settings->has_over_limit || event->settings->has_overdraft_limit || "
        "event->settings->has_thresholds)\n			occasion->account->settings = *event->settings;",
    ),
    Bug(
        "future_is_now",
        "createdAt may lie an instant more than five minutes ahead",
        "worker/core/dedupe.c",
        "		if (event->created_at > record->source.timestamp + rules->future_tolerance)",
        "		if (event->created_at > record->source.timestamp + rules->future_tolerance + 1000)",
    ),
]


# These are seen only where something fails: tests/crash/test_failpoints.py says where.
FAULT_BUGS = [
    Bug(
        "offsets_first",
        "offsets are committed before the outputs",
        "worker/engine/publish_kafka.c",
        "		outcome = publish_produce(publish, batch, reterr);",
        '		outcome = publish_step(publish, "publish.offsets", HANDLE_SEND_OFFSETS, reterr);\n'
        "	if (outcome == OUTCOME_OK)\n"
        '		outcome = publish_step(publish, "publish.commit", HANDLE_COMMIT, reterr);\n'
        "	if (outcome == OUTCOME_OK)\n		outcome = begin(publish, reterr);\n"
        "	if (outcome == OUTCOME_OK)\n		outcome = publish_produce(publish, batch, reterr);",
    ),
    Bug(
        "own_receipt_is_duplicate",
        "a COMMIT without a reply is taken as failed, and what it did as somebody else's",
        "worker/core/dedupe.c",
        "	return receipt && is_same_source(receipt, &record->source);",
        "	return receipt && is_same_source(receipt, &record->source) && receipt->source.offset < 0;",
    ),
    Bug(
        "unanswered_is_committed",
        "a COMMIT without a reply is taken as done",
        "worker/engine/lane.c",
        "	outcome = store->commit(store->self, lane->number, reterr);",
        "	outcome = store->commit(store->self, lane->number, reterr);\n"
        "	if (outcome == OUTCOME_RETRY)\n		outcome = OUTCOME_OK;",
    ),
    Bug(
        "published_unasked",
        "a new producer publishes the batch again without asking whether it had arrived",
        "worker/engine/stations.c",
        "		outcome = publish->committed(publish->self, batch, ret_committed, reterr);",
        "		*ret_committed = batch->records_count == SIZE_MAX;",
    ),
]

# And these under the campaign only: the first needs a worker that has been taken for dead.
CAMPAIGN_BUGS = [
    Bug(
        "no_fencing",
        "neither the owner epoch in PostgreSQL nor the membership in Kafka is looked at",
        "worker/engine/store_positions.c",
        "	if ((size_t)PQntuples(result) != count)\n		return fail_fenced(store, spans, count, result, reterr);",
        "	if ((size_t)PQntuples(result) > count)\n		return fail_fenced(store, spans, count, result, reterr);",
        (
            (
                "worker/engine/publish_offsets.c",
                "	rd_kafka_error_t *error =\n"
                "		rd_kafka_consumer_group_metadata_read(&membership, batch->membership.data, batch->membership.size);\n"
                "	assert(!error);\n",
                "	membership = rd_kafka_consumer_group_metadata_new(publish->config->group_id);\n",
            ),
        ),
    ),
    Bug(
        "outputs_recomputed",
        "what was recorded and not yet published is worked out again from the account as it is now",
        "worker/core/messages.c",
        "	for (size_t i = 0; i < work->recalled_count; i++)\n		add_entry(work, &work->recalled[i], encoding);",
        "	for (size_t i = 0; i < work->recalled_count; i++) {\n"
        "		struct ledger_entry *entry = &work->recalled[i];\n"
        "		for (size_t j = 0; j < work->accounts_count; j++)\n"
        "			if (account_key_compare(&work->accounts[j].key, entry->account) == 0) {\n"
        "				entry->balance_before = work->accounts[j].balance;\n"
        "				entry->balance_after = entry->balance_before + entry->amount;\n"
        "			}\n"
        "		add_entry(work, entry, encoding);\n"
        "	}",
    ),
    Bug(
        "last_record_dropped",
        "the last record of a batch that is read again is left out",
        "worker/core/batch.c",
        "	for (size_t i = 0; i < batch->records_count; i++) {",
        "	for (size_t i = 0; i + batch->recovery < batch->records_count; i++) {",
    ),
]


def apply(bug: Bug, source: Path) -> dict:
    """Returns the files' texts before it, by path."""
    before = {}
    for file, old, new in ((bug.file, bug.old, bug.new), *bug.also):
        path = source / file
        text = path.read_text()
        if text.count(old) != 1:
            raise SystemExit(f"bug {bug.name}: {file} has its place {text.count(old)} times: mend tests/model/bugs.py")
        before.setdefault(path, text)
        path.write_text(text.replace(old, new))
    return before


def mirror(source: Path):
    """Makes it a copy of the sources. What is the same already keeps its time, and what differs is newer than all that was
    built: no bug of an earlier build stays in."""
    originals = [
        path.relative_to(ROOT)
        for name in COPIED
        for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
        if path.is_file()
    ]
    for path in [path for path in source.rglob("*") if path.is_file()]:
        if path.relative_to(source) not in originals:
            path.unlink()
    for path in originals:
        copy = source / path
        if not copy.is_file() or copy.read_bytes() != (ROOT / path).read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, copy)


def build(directory: Path, names=(), bugs=(*BUGS, *FAULT_BUGS, *CAMPAIGN_BUGS)) -> dict:
    """One binary for each bug, with failpoints; incremental: only the bug's own file is compiled anew."""
    source, tree, binaries = directory / "source", directory / "build", directory / "binaries"
    source.mkdir(parents=True, exist_ok=True)
    binaries.mkdir(exist_ok=True)
    mirror(source)
    options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1", "-DBUILD_TESTING=OFF"]
    options += ["-DDRAWDOWN_FAILPOINTS=ON"]
    run(["cmake", "-G", "Ninja", "-S", source, "-B", tree, *options])
    run(["cmake", "--build", tree, "--target", "drawdown"])
    built = {}
    for bug in bugs:
        if names and bug.name not in names:
            continue
        before = apply(bug, source)
        try:
            run(["cmake", "--build", tree, "--target", "drawdown"])
        finally:
            for path, text in before.items():
                path.write_text(text)
        built[bug.name] = binaries / bug.name
        shutil.copy2(tree / "drawdown", built[bug.name])
    return built


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout.decode(errors='replace')}")


if __name__ == "__main__":
    for name, path in build(Path(sys.argv[1]), sys.argv[2:]).items():
        print(name, path)
