-- no parameters. Receipts of records before this time were dropped; null: none were.
select (select s.receipts_from from drawdown.setting s) as receipts_from
