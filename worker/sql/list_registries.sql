-- no parameters. Of which registries ids are kept.
select w.registry from drawdown.writer_schema w where w.registry <> ''
union
select o.registry from drawdown.output_schema o
order by 1
