-- no parameters. May this role do a worker's work? Could it rewrite the ledger?
select has_table_privilege('drawdown.account', 'select') and has_table_privilege('drawdown.account', 'insert')
           and has_table_privilege('drawdown.account', 'update')
           and has_table_privilege('drawdown.credit_grant', 'select')
           and has_table_privilege('drawdown.credit_grant', 'insert')
           and has_table_privilege('drawdown.credit_grant', 'update')
           and has_table_privilege('drawdown.ledger_entry', 'select')
           and has_table_privilege('drawdown.ledger_entry', 'insert')
           and has_table_privilege('drawdown.receipt', 'select') and has_table_privilege('drawdown.receipt', 'insert')
           and has_table_privilege('drawdown.hold', 'select') and has_table_privilege('drawdown.hold', 'insert')
           and has_table_privilege('drawdown.hold', 'update')
           and has_table_privilege('drawdown.transfer', 'select') and has_table_privilege('drawdown.transfer', 'insert')
           and has_table_privilege('drawdown.transfer', 'update')
           and has_table_privilege('drawdown.reversal', 'select') and has_table_privilege('drawdown.reversal', 'insert')
           and has_table_privilege('drawdown.reversal', 'update')
           and has_table_privilege('drawdown.due', 'select') and has_table_privilege('drawdown.due', 'insert')
           and has_table_privilege('drawdown.due', 'update') and has_table_privilege('drawdown.due', 'delete')
           and has_table_privilege('drawdown.input_position', 'update')
           and has_function_privilege('drawdown.make_receipt_generation(timestamptz)', 'execute') as may_work,
       has_table_privilege('drawdown.ledger_entry', 'update') or has_table_privilege('drawdown.ledger_entry', 'delete')
           or has_table_privilege('drawdown.ledger_entry', 'truncate') as may_rewrite,
       session_user::text as role
