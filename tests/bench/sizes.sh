#!/usr/bin/env bash
# What worker/bench/plan_model.c takes for granted, measured anew on private servers through the real worker; JSON
# with the names of its figures: tests/bench/sizes.sh [--events N] [--customers N]
# Bytes a row are exact. Microseconds of CPU are of this machine; the benchmark's are to be preferred where there are any.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"
cd "$ROOT"

events=1000000 customers=200000 dir='' worker=''
while (($#)); do
    case $1 in
    --events) events=$2 ;;
    --customers) customers=$2 ;;
    *) die "usage: $0 [--events N] [--customers N]" ;;
    esac
    shift 2
done
DRAWDOWN=${DRAWDOWN:-$ROOT/build/release/drawdown}
[[ -x $DRAWDOWN ]] || die "$DRAWDOWN is not built: cmake --preset release && cmake --build --preset release"

finish() {
    [[ -z $worker ]] || kill "$worker" 2>/dev/null || true
    wait
    bash deploy/servers.sh stop "$dir" >&2
    rm -rf "$dir"
}
dir=$(mktemp -d)
chmod 755 "$dir"
trap finish EXIT
trap 'exit 130' INT TERM
bash deploy/servers.sh start "$dir" >&2
# shellcheck source=/dev/null
source "$dir/env"

admin() { psql -qXAt -v ON_ERROR_STOP=1 "${ADMIN_URL%/*}/drawdown" -c "$1"; }
admin "alter system set wal_compression = lz4" && admin "alter system set max_wal_size = '16GB'"
admin "alter system set checkpoint_timeout = '1h'" && admin "select pg_reload_conf()" >/dev/null
port=$((RANDOM % 20000 + 20000))
cat >"$dir/drawdown.conf" <<END
kafka.bootstrap.servers = $KAFKA_BOOTSTRAP
database.url = $DATABASE_URL
replica.id = sizes
topics.replication = 1
admin.port = $port
END
DRAWDOWN_DATABASE_URL=$OWNER_URL "$DRAWDOWN" migrate --config "$dir/drawdown.conf" >&2
admin "grant drawdown_worker to drawdown_app"
"$DRAWDOWN" topics create --config "$dir/drawdown.conf" >&2
"$DRAWDOWN" worker --config "$dir/drawdown.conf" >"$dir/worker.log" 2>&1 &
worker=$!

recorded() {
    admin "select coalesce(sum(r), 0) from (select max(recorded) as r from drawdown.input_position group by topic, partition) p"
}
# load EVENTS SEED [more]: produced, and handled by the worker.
load() {
    local before goal
    before=$(recorded)
    "$DRAWDOWN" load --config "$dir/drawdown.conf" --customers "$customers" --count "$1" --seed "$2" "${@:3}" >&2
    goal=$((before + $1))
    [[ $# -eq 2 ]] || goal=$((goal + customers))
    until (($(recorded) >= goal)); do
        kill -0 "$worker" 2>/dev/null || die "the worker ended: $(tail -n 3 "$dir/worker.log")"
        sleep 1
    done
}
# Clock ticks of user and system time of a process and of its children that have ended: cpu PID
cpu() { awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/$1/stat"; }
cpu_postgres() {
    local pid sum
    sum=$(cpu "$(<"$dir/postgres.pid")")
    for pid in $(pgrep -P "$(<"$dir/postgres.pid")"); do
        sum=$((sum + $(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat")))
    done
    echo "$sum"
}
wal() { admin "select wal_bytes || ' ' || wal_fpi from pg_stat_wal"; }
# pg_stat_wal is brought up to date by sessions that have been idle for a while.
settled_wal() {
    sleep 2
    wal
}
bytes_of_topic() { cat "$(realpath "$dir/kafka")"/data/"$1"-*/*.log 2>/dev/null | wc -c; }

say "sizes: the customers and their grants" >&2
load 1000 1 --grant 1000000
read -r wal_0 _ <<<"$(settled_wal)"
worker_0=$(cpu "$worker") postgres_0=$(cpu_postgres) in_0=$(bytes_of_topic credits.usage) out_0=$(bytes_of_topic credits.ledger)
say "sizes: $events events" >&2
load "$events" 2
read -r wal_1 fpi_1 <<<"$(settled_wal)"
worker_1=$(cpu "$worker") postgres_1=$(cpu_postgres) in_1=$(bytes_of_topic credits.usage) out_1=$(bytes_of_topic credits.ledger)
say "sizes: a tenth of that, just after a checkpoint" >&2
admin checkpoint
load $((events / 10)) 3
read -r wal_2 fpi_2 <<<"$(settled_wal)"
ticks=$(getconf CLK_TCK)
measured=$(awk -v n="$events" -v ticks="$ticks" -v wal="$((wal_1 - wal_0))" -v late="$((wal_2 - wal_1))" \
    -v pages="$((fpi_2 - fpi_1))" -v worker="$((worker_1 - worker_0))" -v postgres="$((postgres_1 - postgres_0))" \
    -v in_="$((in_1 - in_0))" -v out="$((out_1 - out_0))" 'BEGIN {
        printf ", \"wal_bytes_per_event\": %.1f", wal / n
        printf ", \"wal_bytes_per_page\": %.1f", pages ? (late - wal / 10) / pages : 0
        printf ", \"worker_us_per_event\": %.2f", worker / ticks * 1e6 / n
        printf ", \"postgres_us_per_event\": %.2f", postgres / ticks * 1e6 / n
        printf ", \"kafka_bytes_per_input\": %.1f, \"kafka_bytes_per_entry\": %.1f", in_ / n, out / n }')
sizes=$(psql -qXAt -v ON_ERROR_STOP=1 -v measured="$measured" "${ADMIN_URL%/*}/drawdown" -f tests/bench/sizes.sql)
say "sizes: look-ups in one generation of receipts, and in nine" >&2
lookups=$(psql -qXAt -v ON_ERROR_STOP=1 "${ADMIN_URL%/*}/drawdown" -f tests/bench/generations.sql)
echo "${sizes%\}}$lookups}"
