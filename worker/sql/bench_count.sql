-- $1 text topic. Entries that its events made
select count(*) from drawdown.ledger_entry where source_topic = $1::text
