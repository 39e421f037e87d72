# shellcheck shell=bash
# Functions shared by the demo, the tests and CI: packages, build, private servers. To be sourced, with `set -euo pipefail`.
#
# A run directory DIR holds what belongs to one set of private servers: env (how to reach them), kafka.pid, postgres.pid,
# registry.pid, kafka.log, postgres.log, registry.log and their data. Nothing is ended but the processes in those pid files.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/drawdown
KAFKA_JARS=$CACHE/kafka-4.1.0
REGISTRY_JARS=$CACHE/registry-2.6.13
POSTGRES_BIN=/usr/lib/postgresql/15/bin

# package, or package=command where any provider of the command will do
# shellcheck disable=SC2034 # for those who source this
PACKAGES_BUILD=(cmake=cmake ninja-build=ninja gcc=gcc libc6-dev pkg-config=pkg-config
    libavro-dev libyajl-dev libsodium-dev libpq-dev librdkafka-dev libmicrohttpd-dev
    libcurl4-openssl-dev)
PACKAGES_SERVERS=(postgresql-15 default-jre-headless=java)
[[ -d $KAFKA_JARS ]] || PACKAGES_SERVERS+=(maven=mvn)
# shellcheck disable=SC2034
PACKAGES_TESTS=(libcmocka-dev clang=clang libclang-rt-dev binutils=nm shellcheck=shellcheck python3=python3 python3-venv)

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# install_packages PACKAGE[=COMMAND]...: Debian packages that are missing; no privilege is needed where none is.
install_packages() {
    local item missing=() as_root=()
    for item in "$@"; do
        if [[ $item == *=* ]]; then
            command -v "${item#*=}" >/dev/null || missing+=("${item%=*}")
        else
            [[ $(dpkg-query -W -f '${db:Status-Status}' "$item" 2>/dev/null) == installed ]] || missing+=("$item")
        fi
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null || ! { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
            die "missing packages, and neither root nor sudo to install them: apt-get install ${missing[*]}"
        fi
        as_root=(sudo)
    fi
    say "installing packages: ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" update >&2
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
}

# Kafka's jars into the cache, once.
fetch_kafka() {
    [[ -d $KAFKA_JARS ]] && return 0
    say "fetching Kafka's jars"
    mkdir -p "$CACHE"
    (
        flock 9
        [[ -d $KAFKA_JARS ]] && exit 0
        rm -rf "$KAFKA_JARS.part"
        mvn -B -ntp -f "$ROOT/deploy/kafka.pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$KAFKA_JARS.part" </dev/null >"$KAFKA_JARS.log" 2>&1 || {
            cat "$KAFKA_JARS.log" >&2
            exit 1
        }
        mv "$KAFKA_JARS.part" "$KAFKA_JARS"
    ) 9>"$KAFKA_JARS.lock"
}

# The clients of proto/examples into the cache, once for each content of what they ask for, in $EXAMPLES: java/*.jar,
# node/node_modules, go/usage, go/ledger and go/registry.
fetch_examples() {
    local source=$ROOT/proto/examples
    EXAMPLES=$CACHE/examples-$(cd "$source" && cat java/pom.xml node/package.json go/go.* go/*/*.go | sha256sum | head -c 12)
    install_packages default-jdk-headless=javac maven=mvn nodejs=node npm=npm golang-go=go kcat=kcat
    [[ -d $EXAMPLES ]] && return 0
    say "fetching the clients of the examples"
    mkdir -p "$CACHE"
    (
        flock 9
        [[ -d $EXAMPLES ]] && exit 0
        rm -rf "$EXAMPLES.part"
        mkdir -p "$EXAMPLES.part/node"
        cp "$source/node/package.json" "$EXAMPLES.part/node"
        {
            mvn -B -ntp -f "$source/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$EXAMPLES.part/java" &&
                npm install --prefix "$EXAMPLES.part/node" --omit=dev --no-package-lock --no-audit --no-fund &&
                (cd "$source/go" && go build -o "$EXAMPLES.part/go/" ./...)
        } </dev/null >"$EXAMPLES.log" 2>&1 || {
            cat "$EXAMPLES.log" >&2
            exit 1
        }
        mv "$EXAMPLES.part" "$EXAMPLES"
    ) 9>"$EXAMPLES.lock"
}

# The schema registry into the cache, once: Apicurio, which speaks Confluent's interface under /apis/ccompat/v7.
fetch_registry() {
    [[ -d $REGISTRY_JARS ]] && return 0
    say "fetching the schema registry"
    install_packages maven=mvn
    mkdir -p "$CACHE"
    (
        flock 9
        [[ -d $REGISTRY_JARS ]] && exit 0
        rm -rf "$REGISTRY_JARS.part" "$REGISTRY_JARS.archive"
        mvn -B -ntp -f "$ROOT/deploy/registry.pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$REGISTRY_JARS.archive" </dev/null >"$REGISTRY_JARS.log" 2>&1 || {
            cat "$REGISTRY_JARS.log" >&2
            exit 1
        }
        mkdir "$REGISTRY_JARS.part"
        tar -xzf "$REGISTRY_JARS.archive"/*.tar.gz -C "$REGISTRY_JARS.part"
        rm -r "$REGISTRY_JARS.archive"
        mv "$REGISTRY_JARS.part" "$REGISTRY_JARS"
    ) 9>"$REGISTRY_JARS.lock"
}

# build PRESET [CMAKE ARGUMENT...]: quiet unless it fails. The result is in build/PRESET.
build() {
    local preset=$1 log=$ROOT/build/$1.log
    shift
    mkdir -p "$ROOT/build"
    say "building ($preset)"
    (
        flock 9
        cd "$ROOT" || exit
        if ! cmake --preset "$preset" "$@" >"$log" 2>&1 ||
            ! cmake --build --preset "$preset" --parallel "$(nproc)" >"$log" 2>&1; then
            cat "$log" >&2
            exit 1
        fi
    ) 9>"$log.lock"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_ports COUNT: below the range the kernel takes its own from.
free_ports() {
    local port left=$1
    for port in $(shuf -i 20000-32000 -n 1000); do
        port_open "$port" && continue
        echo "$port"
        ((--left)) || return 0
    done
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < deadline)) || die "$what: not within the time allowed"
        sleep 0.05
    done
}

# running PIDFILE DIR: the pid is alive and still the process that was started for DIR.
running() { [[ -f $1 ]] && grep -qsF -- "$2" "/proc/$(<"$1")/cmdline"; }
stopped() { ! running "$@"; }

# stop_process PIDFILE DIR SIGNAL: and wait; killed after 20 seconds.
stop_process() {
    local pid_file=$1 dir=$2
    if running "$pid_file" "$dir"; then
        kill "-$3" "$(<"$pid_file")"
        (await 20 "$pid_file" stopped "$pid_file" "$dir") || kill -KILL "$(<"$pid_file")"
    fi
    rm -f "$pid_file"
}

# The Python environment of the tests, made once for each content of requirements.txt, in $VENV.
make_venv() {
    VENV=$CACHE/venv-$({ python3 -VV && cat "$ROOT/tests/requirements.txt"; } | sha256sum | head -c 12)
    [[ -e $VENV/complete ]] && return 0
    say "making the Python environment"
    mkdir -p "$CACHE"
    (
        flock 9
        [[ -e $VENV/complete ]] && exit 0
        python3 -m venv --clear "$VENV"
        "$VENV/bin/pip" install -q --disable-pip-version-check -r "$ROOT/tests/requirements.txt" >&2
        touch "$VENV/complete"
    ) 9>"$VENV.lock"
}

# Servers get a session of their own: an interrupt at the terminal is for us, and we end them in order.

# start_kafka DIR PORT CONTROLLER_PORT: broker and controller in one process. Lines of $KAFKA_SETTINGS go over ours;
# $KAFKA_LISTENERS and $KAFKA_ADVERTISED name more listeners, $KAFKA_CLUSTER_ID the cluster that it is one of, for which
# $KAFKA_CONTROLLER_PORT may be known beforehand.
start_kafka() {
    local dir=$1 port=$2 controller_port=$3 java=(java -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
    mkdir -p "$dir/kafka"
    cat >"$dir/kafka/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port${KAFKA_LISTENERS:+,$KAFKA_LISTENERS}
advertised.listeners=PLAINTEXT://127.0.0.1:$port${KAFKA_ADVERTISED:+,$KAFKA_ADVERTISED}
controller.listener.names=CONTROLLER
log.dirs=$dir/kafka/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
${KAFKA_SETTINGS:-}
END
    "${java[@]}" -XX:TieredStopAtLevel=1 -cp "$KAFKA_JARS/*" kafka.tools.StorageTool format \
        -t "${KAFKA_CLUSTER_ID:-$(head -c 16 /dev/urandom | base64 | tr '+/' 'Aa' | tr -d '=')}" \
        -c "$dir/kafka/server.properties" >"$dir/kafka.log" 2>&1 || {
        cat "$dir/kafka.log" >&2
        die "kafka: could not format its storage"
    }
    setsid "${java[@]}" -Xmx768m -cp "$KAFKA_JARS/*" kafka.Kafka "$dir/kafka/server.properties" \
        </dev/null >>"$dir/kafka.log" 2>&1 &
    echo $! >"$dir/kafka.pid"
    await 60 "kafka (see $dir/kafka.log)" kafka_up "$dir" "$port"
    echo "KAFKA_BOOTSTRAP=127.0.0.1:$port" >"$dir/env.kafka"
}

kafka_up() {
    kill -0 "$(<"$1/kafka.pid")" 2>/dev/null || {
        tail -n 20 "$1/kafka.log" >&2
        die "kafka ended at its start"
    }
    port_open "$2"
}

# start_postgres DIR PORT: with a database `drawdown`, its owner's role and the application's. Its data lies in
# DIR/postgres, a link into /tmp: sockets want a short path, and PostgreSQL, which refuses root, one that it may enter.
# Lines of $POSTGRES_SETTINGS go over ours.
start_postgres() {
    local dir=$1 port=$2 data as_user=()
    data=$(mktemp -d /tmp/drawdown-postgres.XXXXXX)
    ln -s "$data" "$dir/postgres"
    if ((EUID == 0)); then
        chown postgres: "$data"
        as_user=(setpriv --reuid postgres --regid postgres --init-groups)
    fi
    (
        cd /
        "${as_user[@]}" "$POSTGRES_BIN/initdb" -D "$data/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
            >"$dir/postgres.log" 2>&1
    ) || {
        cat "$dir/postgres.log" >&2
        die "postgres: could not make its directory"
    }
    cat >>"$data/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$data'
shared_buffers = 256MB
max_wal_size = 2GB
log_line_prefix = '%m [%p] %a '
${POSTGRES_SETTINGS:-}
END
    (
        cd /
        exec setsid "${as_user[@]}" "$POSTGRES_BIN/postgres" -D "$data/data"
    ) </dev/null >>"$dir/postgres.log" 2>&1 &
    echo $! >"$dir/postgres.pid"
    await 60 "postgres (see $dir/postgres.log)" postgres_up "$dir" "$port"
    psql -qX "$(postgres_url "$port" postgres postgres)" -v ON_ERROR_STOP=1 <<END
create role drawdown_owner login createrole;
create role drawdown_app login;
create database drawdown owner drawdown_owner;
END
    cat >"$dir/env.postgres" <<END
PG_PORT=$port
PG_SOCKET_DIR=$data
ADMIN_URL=$(postgres_url "$port" postgres postgres)
OWNER_URL=$(postgres_url "$port" drawdown_owner drawdown)
DATABASE_URL=$(postgres_url "$port" drawdown_app drawdown)
END
}

postgres_url() { echo "postgresql://$2@127.0.0.1:$1/$3"; }

postgres_up() {
    kill -0 "$(<"$1/postgres.pid")" 2>/dev/null || {
        tail -n 20 "$1/postgres.log" >&2
        die "postgres ended at its start"
    }
    "$POSTGRES_BIN/pg_isready" -q -h 127.0.0.1 -p "$2" -U postgres
}

# start_registry DIR PORT: what it holds outlives its end.
start_registry() {
    local dir=$1 port=$2
    mkdir -p "$dir/registry"
    setsid java -XX:+UseSerialGC -Xmx512m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" \
        -Dquarkus.datasource.jdbc.url="jdbc:h2:file:$dir/registry/db;WRITE_DELAY=0" \
        -jar "$REGISTRY_JARS"/apicurio-registry-app-*-runner.jar </dev/null >"$dir/registry.log" 2>&1 &
    echo $! >"$dir/registry.pid"
    await 60 "registry (see $dir/registry.log)" registry_up "$dir" "$port"
    echo "REGISTRY_URL=http://127.0.0.1:$port/apis/ccompat/v7" >"$dir/env.registry"
}

registry_up() {
    kill -0 "$(<"$1/registry.pid")" 2>/dev/null || {
        tail -n 20 "$1/registry.log" >&2
        die "registry ended at its start"
    }
    port_open "$2"
}

# start_servers DIR [--kafka] [--postgres] [--registry]: the first two unless one is named; at the same time. DIR is
# absolute and exists.
start_servers() {
    local dir=$1 which="${*:2}" ports jobs=() job
    which=${which:---kafka --postgres}
    install_packages "${PACKAGES_SERVERS[@]}"
    [[ $which != *--kafka* ]] || fetch_kafka
    [[ $which != *--registry* ]] || fetch_registry
    mapfile -t ports < <(free_ports 4)
    if [[ $which == *--kafka* ]]; then
        start_kafka "$dir" "${ports[0]}" "${KAFKA_CONTROLLER_PORT:-${ports[1]}}" &
        jobs+=($!)
    fi
    if [[ $which == *--postgres* ]]; then
        start_postgres "$dir" "${ports[2]}" &
        jobs+=($!)
    fi
    if [[ $which == *--registry* ]]; then
        start_registry "$dir" "${ports[3]}" &
        jobs+=($!)
    fi
    for job in "${jobs[@]}"; do
        wait "$job"
    done
    cat "$dir"/env.* >"$dir/env"
    rm "$dir"/env.*
}

# stop_servers DIR: and remove their data; the logs stay. DIR is absolute.
stop_servers() {
    local dir=$1 data
    data=$(readlink "$dir/postgres" || true)
    stop_process "$dir/kafka.pid" "$dir/kafka" KILL
    stop_process "$dir/registry.pid" "$dir/registry" KILL
    [[ -z $data ]] || stop_process "$dir/postgres.pid" "$data" QUIT # no checkpoint for what is removed
    rm -rf "$dir/kafka" "$dir/registry" "$dir/postgres" "$dir/env" "$dir"/env.* ${data:+"$data"}
}

# migrate DRAWDOWN OWNER_URL: the schema, as its owner; the application's role becomes a worker.
migrate() {
    DRAWDOWN_DATABASE_URL=$2 "$1" migrate
    psql -qX "$2" -v ON_ERROR_STOP=1 -c 'grant drawdown_worker, drawdown_reader to drawdown_app'
}
