-- $1 text[] customer_id, $2 text[] currency_id. Which of them ever had a grant, in whichever account?
select k.position
from unnest($1::text[], $2::text[]) with ordinality as k(customer_id, currency_id, position)
where exists (
    select from drawdown.account a
    where a.customer_id = k.customer_id and a.currency_id = k.currency_id and a.grants_made > 0)
