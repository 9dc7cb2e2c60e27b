#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What Debian has not and tests need of npm's registry, in DIR/node_modules; once, whoever comes first.
#   sh tests/npm.sh DIR
set -eu
PACKAGES='@grpc/grpc-js@1.14.7 grpc-health-check@2.1.0 mongodb@6.20.0'

mkdir -p "$1"
exec 9>"$1/.lock"
flock 9
if [ "$(cat "$1/.done" 2>/dev/null)" != "$PACKAGES" ]; then
	# shellcheck disable=SC2086 # words of a list
	npm install --prefix "$1" --no-audit --no-fund --ignore-scripts --loglevel=error $PACKAGES
	echo "$PACKAGES" >"$1/.done"
fi
