#!/usr/bin/env bash
# Shows drawdown at work on private servers, which it brings up and takes down again. See --help.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export LC_ALL=C.UTF-8
unset "${!DRAWDOWN_@}" # the demo's configuration is its own

DRAWDOWN=$ROOT/build/release/drawdown
KEPT=$CACHE/demo # a link to what --keep left running
CURRENCY=ai-tokens
CUSTOMERS=50 SKEW=0.5 GRANT=1000 EVENTS=20000 RATE=2000 AGAIN_PERCENT=5
REDRAW=0.25 LOW_SHOWN=5

usage() {
    cat <<END
usage: deploy/demo.sh [--keep] [--input FILE.csv]
       deploy/demo.sh --stop

Builds drawdown, starts a private PostgreSQL and Kafka on free ports, grants credits to customers,
streams usage through a worker ($RATE events a second, $AGAIN_PERCENT % of them again), shows what became of it
and that the sums agree. Installs what is missing, ends what it started.

  --keep        leave it all running, and say how to talk to it
  --stop        end what --keep left running
  --input FILE  stream a usage trace with columns TIMESTAMP,ContextTokens,GeneratedTokens
  --help        print this text
END
}

keep=no input='' dir='' step='' log='' load_pid='' frame_lines=0
live=no
[[ ! -t 1 || ${TERM:-dumb} == dumb ]] || live=yes

# --- steps, each with its time; output goes to a log ---

now_us() { echo "${EPOCHREALTIME/./}"; }

# seconds_since MICROSECONDS: with a decimal.
seconds_since() {
    local tenths=$((($(now_us) - $1) / 100000))
    echo "$((tenths / 10)).$((tenths % 10))"
}

# run_step SENTENCE LOG COMMAND...
run_step() {
    local begun_at
    step=$1 log=$dir/$2.log
    shift 2
    begun_at=$(now_us)
    [[ $live == no ]] || printf '%-50s' "$step"
    "$@" >>"$log" 2>&1
    [[ $live == no ]] || printf '\r'
    printf '%-50s %6s s\n' "$step" "$(seconds_since "$begun_at")"
    step=''
}

# group NUMBER: 1234567.5 as 1,234,567.5
group() {
    local whole=${1%%.*} rest='' sign=''
    [[ $1 != *.* ]] || rest=.${1#*.}
    [[ $whole != -* ]] || sign=- whole=${whole#-}
    while ((${#whole} > 3)); do
        rest=,${whole: -3}$rest
        whole=${whole:0:-3}
    done
    echo "$sign$whole$rest"
}

query() { psql -qXAt -F ' ' -v ON_ERROR_STOP=1 "$OWNER_URL" "$@"; }

# --- the worker ---

write_config() {
    cat >"$dir/drawdown.conf" <<END
# The demo's configuration. Outputs are JSON, so that any Kafka client shows them.
kafka.bootstrap.servers = $KAFKA_BOOTSTRAP
database.url = $DATABASE_URL
replica.id = demo
topics.partitions = 4
topics.replication = 1
outputs.format = json
admin.port = $ADMIN_PORT
END
}

# get PATH: from the worker's admin port, headers included.
get() {
    (
        exec 5<>"/dev/tcp/127.0.0.1/$ADMIN_PORT"
        printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&5
        cat <&5
    ) 2>/dev/null
}

worker_ready() {
    kill -0 "$(<"$dir/worker.pid")" 2>/dev/null || die "the worker ended"
    [[ $(get /readyz) == HTTP/1.?\ 200* ]]
}

start_worker() {
    setsid "$DRAWDOWN" worker --config "$dir/drawdown.conf" </dev/null >>"$dir/worker.log" 2>&1 &
    echo $! >"$dir/worker.pid"
    await 30 "the worker" worker_ready
}

# read_metrics: into handled, applied, duplicates, rejected, dead_letters, lag.
read_metrics() {
    local name value
    handled=0 applied=0 duplicates=0 rejected=0 dead_letters=0 lag=0
    while read -r name value; do
        case $name in
        drawdown_inputs_total*)
            handled=$((handled + value))
            case $name in
            *'"applied"'* | *'"partial"'*) applied=$((applied + value)) ;;
            *'"duplicate"'*) duplicates=$((duplicates + value)) ;;
            *'"rejected"'* | *'"conflict"'*) rejected=$((rejected + value)) ;;
            *'"dead_lettered"'*) dead_letters=$((dead_letters + value)) ;;
            esac
            ;;
        drawdown_lag_records*) lag=$((lag + value)) ;;
        esac
    done < <(get /metrics)
}

has_handled() {
    read_metrics
    ((handled >= $1))
}

# --- what is streamed ---

# plan: where usage comes from, how much there is, and how much each customer gets.
plan() {
    load=("$DRAWDOWN" load --config "$dir/drawdown.conf" --currency "$CURRENCY" --format json)
    if [[ -z $input ]]; then
        load+=(--customers "$CUSTOMERS" --skew "$SKEW")
        customers=$CUSTOMERS grant=$GRANT events=$EVENTS count=(--count "$EVENTS")
        return
    fi
    # A little more than the mean of what the trace will cost its 97 customers.
    load+=(--csv "$input")
    customers=97 count=()
    read -r events grant < <(awk -F, 'NR > 1 { rows++; cost += $2 * 0.0000025 + $3 * 0.00001 }
        END { printf "%d %.6f\n", rows * 100 / (100 - '"$AGAIN_PERCENT"'), cost / 97 * 1.05 }' "$input")
    ((events > 0)) || die "$input holds no usage"
}

# One event comes along: load makes no grants without usage.
grant_credits() {
    "${load[@]}" --grant "$grant" --count 1
    await 30 "the grants" has_handled $((customers + 1))
}

# produce_raw KEY VALUE: as a foreign producer would.
produce_raw() {
    printf '%s\n' "$2" | kcat -P -b "$KAFKA_BOOTSTRAP" -t credits.usage -k "$1" -X partitioner=murmur2
}

# What a worker must survive: half an event, and a producer of usage that grants itself credits.
produce_bad() {
    produce_raw "$customer" '{"customerId":"'"$customer"'","currencyId":"'
    produce_raw "$customer" '{"type":"grant","customerId":"'"$customer"'","currencyId":"'"$CURRENCY"'","amount":1000000,"grantType":"PAID","idempotencyKey":"forged"}'
    await 30 "their outcome" has_handled $((customers + 3))
}

# --- the view ---

# find_low: the lowest balances, one a line: customer, balance, granted.
find_low() {
    query -c "select customer_id, round(balance, 2), round(granted, 2) from drawdown.accounts
              where balance < granted / 5 order by balance / granted, customer_id limit $LOW_SHOWN"
}

# bar WIDTH PART WHOLE
bar() {
    local filled=$(($3 > 0 ? $1 * $2 / $3 : 0)) full empty
    filled=$((filled < 0 ? 0 : filled > $1 ? $1 : filled))
    printf -v full '%*s' "$filled" ''
    printf -v empty '%*s' $(($1 - filled)) ''
    echo "[${full// /#}${empty// /.}]"
}

# columns: of the terminal; without one, more than any line has.
columns() {
    local size
    size=$(stty size <&3 2>/dev/null) || size='0 0'
    [[ ${size#* } != 0 ]] && echo "${size#* }" || echo 1000
}

# draw_frame LINE...: over the frame before.
draw_frame() {
    local line width frame=''
    width=$(columns)
    ((frame_lines == 0)) || frame=$'\e['${frame_lines}A
    for line in "$@"; do
        frame+=${line:0:width}$'\e[K\n'
    done
    printf '%s\e[J' "$frame"
    frame_lines=$#
}

draw_live() {
    local frame=() customer balance granted
    frame+=("" "$(printf '  %s  %5s s' "$(bar 40 $((handled - base)) "$events")" "$(seconds_since "$begun_at")")" "")
    frame+=("$(printf '  rate %12s/s   applied    %9s   rejected     %5s' \
        "$(group "$rate")" "$(group "$applied")" "$(group "$rejected")")")
    frame+=("$(printf '  lag  %12s     duplicates %9s   dead letters %5s' \
        "$(group "$lag")" "$(group "$duplicates")" "$(group "$dead_letters")")" "" "  low balances")
    while read -r customer balance granted; do
        [[ -z $customer ]] || frame+=("$(printf '  %-20s %12s of %s' "$customer" "$(group "$balance")" "$(group "$granted")")")
    done <<<"$low"
    while ((${#frame[@]} < 7 + LOW_SHOWN)); do
        frame+=("")
    done
    draw_frame "${frame[@]}"
}

print_plain() {
    printf '%5s s  %6s/s  lag %s  applied %s  duplicates %s  rejected %s  dead letters %s%s\n' \
        "$(seconds_since "$begun_at")" "$(group "$rate")" "$(group "$lag")" "$(group "$applied")" "$(group "$duplicates")" \
        "$(group "$rejected")" "$(group "$dead_letters")" "${low:+  lowest ${low%% *} $(group "$(awk 'NR == 1 { print $2 }' <<<"$low")")}"
}

# take_sample: the metrics now, and the rate over the last four samples.
take_sample() {
    local now
    read_metrics
    now=$(now_us)
    samples+=("$now $handled")
    ((${#samples[@]} <= 5)) || samples=("${samples[@]:1}")
    rate=$(((handled - ${samples[0]#* }) * 1000000 / (now - ${samples[0]% *} + 1)))
}

# stream: usage in the background, the view in front, until the worker has handled all of it.
stream() {
    local base begun_at now rate=0 low='' total='' samples=() deadline=0 next_low=0 next_line=0
    step="streaming usage" log=$dir/load.log
    printf '\n%s: %s events at %s a second, %s %% of them again\n' \
        "$step" "$(group "$events")" "$(group "$RATE")" "$AGAIN_PERCENT"
    read_metrics
    base=$handled begun_at=$(now_us) next_line=$((begun_at + 1000000))
    "${load[@]}" --rate "$RATE" --duplicates "$(printf '0.%02d' "$AGAIN_PERCENT")" "${count[@]}" >>"$log" 2>&1 &
    load_pid=$!
    while [[ -z $total ]] || ((handled < total)); do
        sleep "$REDRAW"
        if [[ -n $load_pid ]] && ! kill -0 "$load_pid" 2>/dev/null; then
            wait "$load_pid"
            load_pid='' total=$(count_inputs) log=$dir/worker.log deadline=$((SECONDS + 60))
        fi
        ((deadline == 0 || SECONDS < deadline)) || die "only $handled of $total inputs were handled in time"
        running "$dir/worker.pid" "$dir" || {
            log=$dir/worker.log
            die "the worker ended"
        }
        take_sample
        now=${samples[-1]% *}
        ((now < next_low)) || low=$(find_low) next_low=$((now + 1000000))
        if [[ $live == yes ]]; then
            draw_live
        elif ((now >= next_line)); then
            print_plain
            next_line=$((next_line + 1000000))
        fi
    done
    low=$(find_low) rate=$(((handled - base) * 1000000 / ($(now_us) - begun_at)))
    if [[ $live == yes ]]; then draw_live; else print_plain; fi
    step=''
}

# --- afterwards ---

# read_topic TOPIC: topic, partition, offset and value of each committed record.
read_topic() {
    kcat -C -q -e -o beginning -b "$KAFKA_BOOTSTRAP" -t "credits.$1" -X isolation.level=read_committed -X fetch.wait.max.ms=20 \
        -f '%t\t%p\t%o\t%s\n'
}

count_inputs() { { read_topic usage && read_topic commands; } | wc -l; }

# show COMMAND...: the command and what it prints, no wider than the terminal.
show() {
    printf '\n$ drawdown %s\n' "$*"
    "$DRAWDOWN" "$@" --config "$dir/drawdown.conf" | cut -c "1-$(columns)"
}

# Who stands lowest gets new credits, which pay the overdraft first.
show_customer() {
    step="one customer" log=$dir/show.log
    local lowest
    lowest=$(query -c 'select customer_id from drawdown.accounts order by balance limit 1')
    show entitlement "$lowest" "$CURRENCY"
    show grant "$lowest" "$CURRENCY" "$grant" --type PAID --key top-up-1 --grant-id top-up-1
    show entitlement "$lowest" "$CURRENCY"
    show ledger "$lowest" "$CURRENCY" --limit 6
    step=''
}

# compute_sums: one line each: block, label, where from, value. What is expected comes from the inputs alone.
compute_sums() {
    local topic
    for topic in usage commands ledger balances; do
        read_topic "$topic"
    done >"$dir/records.tsv"
    query -F $'\t' <<END
create temporary table record (topic text, partition integer, "offset" bigint, value text);
\copy record from '$dir/records.tsv' with (format csv, delimiter E'\t', quote E'\x01')
delete from record where value not like '{%}'; -- what cannot be read

create temporary table input as
select distinct on (customer_id, kind = 'consume', key) customer_id, kind, amount
from (select topic, value::json ->> 'customerId' as customer_id, coalesce(value::json ->> 'type', 'consume') as kind,
             value::json ->> 'idempotencyKey' as key, (value::json ->> 'amount')::numeric as amount
      from record where topic in ('credits.usage', 'credits.commands')) event
where kind = 'consume' or topic = 'credits.commands'; -- whoever reports usage may not grant

create temporary table entry as
select value::json ->> 'entryId' as entry_id, value::json ->> 'customerId' as customer_id,
       (value::json ->> 'seq')::bigint as seq, (value::json ->> 'amount')::numeric as amount,
       (value::json ->> 'balanceAfter')::numeric as balance_after,
       row_number() over (partition by value::json ->> 'customerId', partition order by "offset") as expected_seq
from record where topic = 'credits.ledger';

create temporary table newest as
select distinct on (value::json ->> 'customerId') (value::json ->> 'balance')::numeric as balance
from record where topic = 'credits.balances' order by value::json ->> 'customerId', "offset" desc;

select 1, 'grants - usage, each key once', 'Kafka, the inputs',
       trim_scale(sum(case kind when 'grant' then amount else -amount end)) from input
union all select 2, 'balances', 'PostgreSQL', trim_scale(sum(balance)) from drawdown.accounts
union all select 2, 'ledger entries', 'PostgreSQL', trim_scale(sum(amount)) from drawdown.ledger
union all select 2, 'ledger entries', 'Kafka, read committed', trim_scale(sum(amount)) from entry
union all select 2, 'newest balances', 'Kafka, read committed', trim_scale(sum(balance)) from newest
union all select 1, 'customers', 'Kafka, the inputs', count(distinct customer_id) from input
union all select 2, '  whose grants - usage = balance', 'PostgreSQL', count(*) from drawdown.accounts
    join (select customer_id, sum(case kind when 'grant' then amount else -amount end) as balance
          from input group by customer_id) expected using (customer_id, balance)
union all select 1, 'different keys', 'Kafka, the inputs', count(*) from input
union all select 2, 'receipts', 'PostgreSQL', count(*) from drawdown.receipt
union all select 1, 'number of entries', 'PostgreSQL', count(*) from drawdown.ledger
union all select 2, 'number of entries', 'Kafka, read committed', count(*) from entry
union all select 2, '  different ones', 'Kafka, read committed', count(distinct entry_id) from entry
union all select 2, '  in order of seq, without a gap', 'Kafka, read committed', count(*) from entry where seq = expected_seq
union all select 2, '  the same in both', 'PostgreSQL and Kafka', count(*) from entry
    join drawdown.ledger using (entry_id, customer_id, seq, amount, balance_after);
END
}

# show_sums: within a block every value must be the first one.
show_sums() {
    local kind label origin value first='' equal differences=0
    while IFS=$'\t' read -r kind label origin value; do
        equal=' '
        if [[ $kind == 1 ]]; then
            echo
            first=$value
        else
            equal='='
            [[ $value == "$first" ]] || equal='≠' differences=$((differences + 1))
        fi
        printf '  %-34s %-22s %s %20s\n' "$label" "$origin" "$equal" "$(group "$value")"
    done <"$dir/sums.log"
    [[ -n $first ]] || die "nothing was computed"
    ((differences == 0)) || die "$differences of these differ"
}

print_how_to() {
    cat <<END

It is running. To stop it: bash deploy/demo.sh --stop

  configuration  $dir/drawdown.conf
  worker's log   $dir/worker.log
  Kafka          $KAFKA_BOOTSTRAP
  PostgreSQL     $DATABASE_URL
  metrics        http://127.0.0.1:$ADMIN_PORT/metrics

To talk to it:

  export DRAWDOWN_CONFIG=$dir/drawdown.conf PATH="$ROOT/build/release:\$PATH"
  drawdown grant acme $CURRENCY 100 --type PROMOTIONAL --grant-id welcome
  drawdown consume acme $CURRENCY 1.5 --key request-1
  drawdown entitlement acme $CURRENCY
  drawdown ledger acme
  drawdown tail ledger --customer acme --from-beginning --no-follow
  psql $DATABASE_URL -c 'select customer_id, balance, granted, consumed from drawdown.accounts order by balance limit 5'
  echo '{"customerId":"acme","currencyId":"$CURRENCY","amount":0.25,"idempotencyKey":"request-2"}' |
      kcat -P -b $KAFKA_BOOTSTRAP -t credits.usage -k acme -X partitioner=murmur2
END
}

# --- beginning and end ---

# stop_all DIR: worker, then servers, by their pid files; logs stay.
stop_all() {
    stop_process "$1/worker.pid" "$1" TERM
    stop_servers "$1"
}

stop_kept() {
    local kept
    kept=$(readlink "$KEPT" || true)
    [[ -n $kept ]] || die "nothing was left running by --keep"
    [[ ! -d $kept ]] || stop_all "$kept"
    rm -rf "$kept" "$KEPT"
    say "stopped"
}

finish() {
    local status=$?
    set +e # the rest is done whatever fails, a terminal that is gone included
    trap - EXIT
    trap '' INT TERM HUP PIPE
    exec >&3 2>&4
    ((status == 0)) || echo
    if ((status == 130)); then
        say "interrupted; cleaning up"
    elif ((status)) && [[ -n $step ]]; then
        say "failed: $step; the end of $log:"
        tail -n 20 "$log" >&2
    fi
    [[ -n $dir ]] || exit "$status"
    if ((status == 0)) && [[ $keep == yes ]]; then
        exit 0
    fi
    [[ -z $load_pid ]] || kill "$load_pid" 2>/dev/null
    stop_process "$dir/worker.pid" "$dir" TERM
    wait # what start_servers may have under way
    stop_all "$dir"
    if ((status == 0 || status == 130)); then
        rm -rf "$dir"
    else
        say "all logs: $dir"
    fi
    exit "$status"
}

while (($#)); do
    case $1 in
    --keep) keep=yes ;;
    --stop)
        stop_kept
        exit
        ;;
    --input)
        [[ -n ${2:-} ]] || die "--input takes a file"
        [[ -r $2 ]] || die "could not read $2"
        input=$(realpath "$2")
        shift
        ;;
    --help | -h)
        usage
        exit
        ;;
    *)
        usage >&2
        exit 1
        ;;
    esac
    shift
done
[[ $keep == no || ! -e $KEPT ]] || die "the demo is running already; to stop it: bash deploy/demo.sh --stop"

dir=$(mktemp -d /tmp/drawdown-demo.XXXXXX)
exec 3>&1 4>&2
trap finish EXIT
trap 'exit 130' INT TERM HUP PIPE

begun_at=$(now_us)
plan
customer=${input:+acme-0} customer=${customer:-customer-0000001}
run_step "packages" packages install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_SERVERS[@]}" kcat=kcat
run_step "Kafka's jars" jars fetch_kafka
run_step "release build" build build release
run_step "PostgreSQL and Kafka" servers start_servers "$dir"
# shellcheck disable=SC1091
source "$dir/env"
ADMIN_PORT=$(free_ports 1)
write_config
migrate_and_create() {
    DRAWDOWN_CONFIG=$dir/drawdown.conf migrate "$DRAWDOWN" "$OWNER_URL"
    "$DRAWDOWN" topics create --config "$dir/drawdown.conf"
}
run_step "schema and topics" setup migrate_and_create
run_step "worker" worker start_worker
run_step "$customers customers get $(group "$grant") credits each" load grant_credits
run_step "a broken event, and a grant by one who may not" load produce_bad
stream
show_customer
echo
run_step "reading topics and tables" sums compute_sums
show_sums
echo
echo "The sums agree. All in $(seconds_since "$begun_at") s."
if [[ $keep == yes ]]; then
    mkdir -p "$CACHE"
    ln -sfn "$dir" "$KEPT"
    print_how_to
fi
