-- $1 text[] topic
select max(log_time) from drawdown.input_position where topic = any($1::text[])
