#!/usr/bin/env bash
# Measures drawdown on private servers of its own, tuned the same for all contenders. See --help.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export LC_ALL=C.UTF-8
unset "${!DRAWDOWN_@}" # the configuration is the benchmark's own

DRAWDOWN=$ROOT/build/release/drawdown
POSTGRES_SETTINGS="shared_buffers = 4GB
max_wal_size = 16GB
checkpoint_timeout = 15min
wal_compression = lz4
synchronous_commit = on
track_commit_timestamp = on
shared_preload_libraries = 'pg_stat_statements'
max_connections = 200"
MEMORY_LEAST_KB=$((12 * 1024 * 1024)) # of the machine: with less the servers' shares are halved

usage() {
    cat <<END
usage: deploy/bench.sh [OPTION...]

Builds drawdown and what it is compared with, starts a private PostgreSQL and Kafka on free ports, runs
\`drawdown bench\` with these options (see \`drawdown bench --help\`), and removes it all. Installs what is
missing. Without options: everything, which takes about half an hour on 2 cores and needs 40 GB of disk.

  deploy/bench.sh --quick                                 does it work at all?
  deploy/bench.sh --json bench.json --pictures pictures   keep the results
  deploy/bench.sh --only throughput,floor                 parts of it
END
}

dir=''

finish() {
    local status=$?
    set +e
    trap - EXIT
    trap '' INT TERM HUP
    [[ -z $bench_pid ]] || { kill -TERM "$bench_pid" && wait "$bench_pid"; } 2>/dev/null
    wait # what start_servers may have under way
    if [[ -n $dir ]]; then
        stop_servers "$dir"
        rm -rf "$dir"
    fi
    exit "$status"
}

write_config() {
    cat >"$dir/drawdown.conf" <<END
kafka.bootstrap.servers = $KAFKA_BOOTSTRAP
database.url = $ADMIN_URL
topics.replication = 1
END
}

bench_pid=''
for option in "$@"; do
    if [[ $option == --help || $option == -h ]]; then
        usage
        exit
    fi
done
if (($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) < MEMORY_LEAST_KB)); then
    POSTGRES_SETTINGS=${POSTGRES_SETTINGS/shared_buffers = 4GB/shared_buffers = 2GB}
fi
dir=$(mktemp -d /tmp/drawdown-bench-servers.XXXXXX)
trap finish EXIT
trap 'exit 130' INT TERM HUP

install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_SERVERS[@]}" python3=python3 python3-venv
build release
make_venv
start_servers "$dir"
# shellcheck disable=SC1091
source "$dir/env"
write_config
# In the background, so that a signal is ours at once; results are its own, and so is the terminal.
"$DRAWDOWN" bench --config "$dir/drawdown.conf" \
    --baseline-per-event "$ROOT/build/release/bench_per_event" \
    --baseline-batched "$VENV/bin/python $ROOT/tests/bench/batched.py" "$@" &
bench_pid=$!
status=0
wait "$bench_pid" || status=$?
bench_pid=''
(exit "$status")
