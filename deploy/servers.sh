#!/usr/bin/env bash
# Private servers for the demo and the tests, on free ports of the loopback interface.
#   servers.sh start DIR [--kafka] [--postgres] [--registry]   the first two unless one is named; DIR/env says how to
#     reach them
#     $POSTGRES_SETTINGS and $KAFKA_SETTINGS, in the environment: lines of their configuration; see also start_kafka
#   servers.sh stop DIR
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $# -ge 2 && $1 =~ ^(start|stop)$ ]] || die "usage: $0 start DIR [--kafka] [--postgres] | stop DIR"
mkdir -p "$2"
dir=$(cd "$2" && pwd)
if [[ $1 == start ]]; then
    [[ ! -e $dir/env ]] || die "$dir has servers already"
    trap 'exit 130' INT TERM
    trap 'wait; stop_servers "$dir"' EXIT
    start_servers "$dir" "${@:3}"
    trap - EXIT
else
    stop_servers "$dir"
fi
