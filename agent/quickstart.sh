#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From nothing to a server under lifesign, on a bare Debian 12: installs what the build needs and says what, builds,
# runs COMMAND (or redis-server with I/O threads) under `lifesign run`, shows where to ask and its threads.
#   sh agent/quickstart.sh [-- COMMAND [ARG…]]     Ctrl-C or TERM ends it; its status is COMMAND's
set -eu
here=$(pwd)
cd "$(dirname "$0")/.."
. agent/deploy/apt.sh
lifesign=$(pwd)/build/package/bin/lifesign
log=$(pwd)/build/quickstart.log # of the build
work= run= watch=

if [ $# -gt 0 ]; then
	if [ "$1" != -- ] || [ $# -lt 2 ]; then
		echo 'usage: sh agent/quickstart.sh [-- COMMAND [ARG…]]' >&2
		exit 64
	fi
	shift
fi

build() {
	# shellcheck disable=SC2086 # words of a list
	apt_need 'to build and run' $BUILD_PACKAGES "$@"
	apt_check_cmake
	echo 'building'
	mkdir -p build
	if ! { cmake --preset package && cmake --build --preset package; } >"$log" 2>&1; then
		cat "$log"
		echo 'the build failed, see above' >&2
		exit 70
	fi
}

# A port from $1 on that nobody listens at, by /proc/net: works where no tool is installed.
free_port() {
	port=$1
	while cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		grep -qi ":$(printf %04x "$port") 0*:0000 0A"; do
		port=$((port + 1))
	done
	echo "$port"
}

end() {
	interrupted=yes
	[ -z "$run" ] || kill -TERM "$run" 2>/dev/null || true
}

# Waits for $run however often a signal cuts the wait; its status in $status.
wait_for_run() {
	while :; do
		interrupted=
		wait "$run" && status=0 || status=$?
		[ -n "$interrupted" ] && kill -0 "$run" 2>/dev/null || break
	done
	[ -z "$watch" ] || kill "$watch" 2>/dev/null || true
	[ -z "$work" ] || rm -rf "$work"
}

wait_for_start() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		kill -0 "$run" 2>/dev/null || return 0
		! "$lifesign" check startupz --url "$url" >/dev/null 2>&1 || return 0
		sleep 0.5
	done
}

table() {
	kill -0 "$run" 2>/dev/null || return 0
	"$lifesign" status --url "$url" || true
}

if [ $# -gt 0 ]; then
	build
else
	build redis-server
	work=$(mktemp -d "${TMPDIR:-/tmp}/lifesign-quickstart-XXXXXX")
	set -- redis-server --port "$(free_port 6380)" --bind 127.0.0.1 --dir "$work" --save '' \
		--io-threads 4 --io-threads-do-reads yes
fi
port=$(free_port 8081)
url=http://127.0.0.1:$port
cat <<E2

starting: lifesign run --listen 127.0.0.1:$port -- $*
  curl -i $url/livez               is it alive?    (readyz: may traffic come?  startupz: did it start?)
  curl '$url/readyz?verbose'       every check, one a line
  curl $url/health/status          everything, as JSON
  curl $url/metrics                for Prometheus
  $lifesign status --watch         this table
Ctrl-C ends it.

E2
trap end INT TERM HUP
# A session of its own: Ctrl-C comes here alone and is passed on once.
if [ -t 1 ]; then
	echo "its output: $log"
	(cd "$here" && exec setsid "$lifesign" run --listen "127.0.0.1:$port" -- "$@") </dev/null >"$log" 2>&1 &
	run=$!
	wait_for_start
	"$lifesign" status --watch --url "$url" &
	watch=$!
else
	(cd "$here" && exec setsid "$lifesign" run --listen "127.0.0.1:$port" -- "$@") </dev/null &
	run=$!
	wait_for_start
	table
	sleep 3
	table
fi
wait_for_run
[ ! -t 1 ] || [ "$status" = 0 ] || tail -n 20 "$log"
exit "$status"
