-- What must hold in each row, whoever writes it. Between rows and tables `drawdown verify` looks.
-- NaN is greater than every number in PostgreSQL: a sign does not keep it out.

alter table drawdown.account
    add constraint sums_are_numbers check (held < 'NaN' and granted < 'NaN' and consumed < 'NaN'),
    -- what expired and was voided is gone from it, too
    add constraint balance_is_granted check (balance <= granted - consumed),
    add constraint sums_have_causes check
        ((granted = 0 or grants_made > 0) and (held = 0 or holds_made > 0)
         and (clock is not null or (seq = 0 and grants_made = 0 and holds_made = 0 and held = 0
                                    and granted = 0 and consumed = 0))),
    -- json_typeof looks at the first token only
    add constraint json_has_its_shape check
        (json_typeof(open_grants) = 'array' and json_typeof(overrides) = 'object' and json_typeof(alerts) = 'object');

alter table drawdown.credit_grant
    add constraint ordinal_is_positive check (ordinal >= 1),
    add constraint period_is_not_empty check (expire_at > effective_at),
    add constraint end_is_possible check
        (ended_at >= created_at and case end_kind when 2 then expire_at is not null else true end),
    add constraint overdraft_never_expires check
        (grant_type <> 2 or (expire_at is null and end_kind in (0, 1) and cost_amount is null)),
    add constraint cost_is_an_amount check (cost_amount >= 0 and cost_amount < 'NaN'),
    add constraint metadata_is_an_object check (json_typeof(metadata) = 'object');

alter table drawdown.ledger_entry
    add constraint keys_are_named check
        (customer_id <> '' and currency_id <> '' and grant_id <> '' and idempotency_key <> '' and source_topic <> ''),
    add constraint amounts_are_numbers check
        (grant_remaining < 'NaN' and requested_amount >= 0 and requested_amount < 'NaN'),
    add constraint source_is_a_position check (source_partition >= 0 and source_offset >= 0),
    add constraint event_time_has_come check (event_time <= recorded_at),
    add constraint dimensions_are_an_object check (json_typeof(dimensions) = 'object'),
    -- what advance writes bears neither key nor content
    add constraint step_of_advance_is_bare check
        (idempotency_key is not null
         or (requested_amount is null and dimensions is null and outcome = 1 and event_time = recorded_at)),
    add constraint entry_fits_its_kind check (case event_type
        when 1 then grant_remaining = amount
        when 2 then idempotency_key is not null
        when 3 then idempotency_key is null
        when 6 then amount > 0 and starts_with(grant_id, 'overdraft:')
        when 7 then amount < 0 and grant_remaining >= 0
        when 8 then idempotency_key is not null
        else true end),
    -- only usage and what it returns move an overdraft, and never above zero
    add constraint overdrafts_stay_below_zero check
        (not starts_with(grant_id, 'overdraft:') or (grant_remaining <= 0 and event_type in (2, 6, 8)));

alter table drawdown.receipt
    add constraint kind_fits_its_class check
        (kind between 0 and 10 and (event_class = 0) = (kind in (0, 6, 7, 8, 9))),
    add constraint amounts_are_numbers check
        (requested_amount >= 0 and requested_amount < 'NaN' and applied_amount >= 0 and applied_amount < 'NaN'
         and balance < 'NaN'),
    add constraint source_is_a_position check (source_partition >= 0 and source_offset >= 0),
    add constraint outcome_fits_its_amounts check (case outcome
        when 1 then kind not in (0, 1, 6, 7) or applied_amount = requested_amount
        when 2 then kind in (0, 7) and applied_amount < requested_amount
        else applied_amount = 0 and first_seq is null end),
    -- a grant that starts later is posted by advance, a reservation moves nothing
    add constraint applied_has_entries check (applied_amount = 0 or first_seq is not null or kind in (1, 6)),
    add constraint entries_fit_their_kind check (first_seq is null or kind not in (5, 6, 8, 10)),
    add constraint notifications_are_an_array check (json_typeof(notifications) = 'array');

alter table drawdown.hold
    add constraint key_is_named check (customer_id <> '' and currency_id <> '' and reservation_id <> ''),
    add constraint end_follows_begin check (expires_at > created_at and closed_at >= created_at),
    add constraint ordinal_is_not_negative check (ordinal >= 0),
    add constraint parts_are_an_array check (json_typeof(parts) = 'array');

alter table drawdown.transfer
    add constraint key_is_named check (customer_id <> '' and currency_id <> '' and grant_id <> ''),
    add constraint overdraft_is_paid_by_a_grant check
        (starts_with(overdraft_id, 'overdraft:') and not starts_with(grant_id, 'overdraft:')),
    add constraint target_follows_source check (seq >= 2);

alter table drawdown.reversal
    add constraint key_is_named check (customer_id <> '' and currency_id <> ''),
    add constraint first_seq_is_positive check (first_seq >= 1);

alter table drawdown.due
    add constraint key_is_named check (customer_id <> '' and currency_id <> '');

alter table drawdown.currency
    add constraint thresholds_are_an_array check (json_typeof(thresholds) = 'array');
