-- Writers' schemas, kept before their first use: what was decoded once is decoded the same way again, whatever a
-- registry says then, or whether there is one at all.

create table drawdown.writer_schema (
    registry    text collate "C" not null,
    ref         bigint not null,
    schema      text not null,
    kept_at     timestamptz not null default now(),
    primary key (registry, ref),
    constraint ref_is_an_id check (registry = '' or ref between 0 and 4294967295),
    constraint schema_is_not_empty check (schema <> '')
);
comment on table drawdown.writer_schema is 'Schemas of Avro inputs that drawdown knows besides its own. Never changed: records were decoded by them.';
comment on column drawdown.writer_schema.registry is 'registry.name of the registry that gave the id; '''': the schema is found by its fingerprint.';
comment on column drawdown.writer_schema.ref is 'The registry''s id; or the fingerprint (CRC-64-AVRO), its 64 bits as a signed number.';

create table drawdown.output_schema (
    registry    text collate "C" not null,
    subject     text collate "C" not null,
    fingerprint bigint not null,
    schema_id   integer not null,
    kept_at     timestamptz not null default now(),
    primary key (registry, subject, fingerprint),
    constraint registry_is_named check (registry <> ''),
    constraint schema_id_is_positive check (schema_id > 0)
);
comment on table drawdown.output_schema is 'The registry''s ids before Avro outputs: what is published again bears the id that it bore at first.';
