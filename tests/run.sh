#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything there is to test, on a bare Debian 12: installs what is missing and says what, builds, runs ctest.
# Ends with ctest's closing lines and its exit status; 77: packages are missing and may not be installed.
#   sh tests/run.sh [--nightly] [CTEST OPTION…]     e.g. -L unit, -R redis; --nightly: only what is too slow for always
set -eu
cd "$(dirname "$0")/.."
. agent/deploy/apt.sh

TEST_PACKAGES='libcmocka-dev python3 python3-pytest python3-jsonschema redis-server nginx-light postgresql prometheus
	valgrind strace clang libclang-rt-dev python3-prometheus-client musl-tools busybox-static dpkg-dev file less procps
	memcached nats-server mariadb-server-core mariadb-client-core apache2-bin haproxy php-fpm openssh-server openssh-client
	dnsmasq-base bind9 openssl pgbouncer gunicorn nodejs openjdk-17-jdk-headless ruby puma g++ golang-go libjemalloc2
	libtcmalloc-minimal4 libfaketime libfakeroot libcap2-bin git make perl wrk libnginx-mod-http-echo bindfs bind9-dnsutils
	e2fsprogs util-linux kcat'

preset=release
if [ "${1:-}" = --nightly ]; then
	shift
	preset=nightly
	TEST_PACKAGES="$TEST_PACKAGES debootstrap"
fi
command -v npm >/dev/null || TEST_PACKAGES="$TEST_PACKAGES npm" # comes with other packages of nodejs
# shellcheck disable=SC2086 # words of a list
apt_need 'to build and test' $BUILD_PACKAGES $TEST_PACKAGES
apt_check_cmake
cmake --preset release
cmake --build --preset release
sh tests/npm.sh build/release/tests/npm
exec ctest --preset "$preset" "$@" </dev/null
