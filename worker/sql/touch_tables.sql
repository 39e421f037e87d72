-- no parameters; several statements. Changes nothing, and needs the locks of what a lane writes.
update drawdown.account set seq = seq where false;
update drawdown.credit_grant set end_kind = end_kind where false;
update drawdown.hold set state = state where false;
update drawdown.transfer set returned = returned where false;
update drawdown.reversal set reversed = reversed where false;
delete from drawdown.due where false;
insert into drawdown.ledger_entry select * from drawdown.ledger_entry where false;
insert into drawdown.receipt select * from drawdown.receipt where false
