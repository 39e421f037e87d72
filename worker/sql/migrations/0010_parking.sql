-- Parked records are a queue for each customer and partition; nothing was written here before.

drop table drawdown.parked;
create table drawdown.parked (
    ordinal           bigint      not null,
    source_offset     bigint      not null,
    source_timestamp  timestamptz not null,
    parked_at         timestamptz not null default now(),
    source_partition  integer     not null,
    customer_id       text        collate "C" not null,
    source_topic      text        collate "C" not null,
    reason            text        collate "C",
    key               bytea,
    value             bytea,
    headers           bytea,
    primary key (customer_id, source_partition, ordinal),
    constraint source_is_parked_once
        unique (customer_id, source_topic, source_partition, source_offset, source_timestamp),
    constraint key_is_named check (customer_id <> '' and source_topic <> ''),
    constraint ordinal_is_positive check (ordinal >= 1),
    constraint source_is_a_position check (source_partition >= 0 and source_offset >= 0)
);
comment on table drawdown.parked is 'Records of customers that were set aside, in order, until they are released: `drawdown parked`.';
comment on column drawdown.parked.ordinal is 'Place in the queue of the customer and the partition: without a gap, taken off the front only.';
comment on column drawdown.parked.reason is 'Why the customer was parked; null: its records before this one were.';
comment on column drawdown.parked.headers is 'Name and value of each, with their lengths before them as 32 bits, big endian; -1: a null value.';
