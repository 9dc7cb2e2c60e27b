# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Sourced by the scripts that must work on a bare machine:
#   apt_need WHAT PACKAGE…   installs what is missing, says so, starts none of the services that come with it
# Ends the script with 77 when that is not possible.

apt_missing() {
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

# Debian starts a service as soon as its package is there, unless policy-rc.d says no. Only for the time of the
# installation, and only when nobody else has put a policy there.
apt_install='
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap "rm -f $log" EXIT
trap "exit 130" INT TERM HUP
if [ ! -e "$policy" ]; then
	trap "rm -f $log $policy" EXIT
	printf "#!/bin/sh\nexit 101\n" >"$policy"
	chmod 755 "$policy"
fi
options="-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300"
if ! { apt-get $options update && apt-get $options -y install --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
	tail -n 40 "$log"
	exit 1
fi
'

apt_need() {
	apt_what=$1
	shift
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here: what is needed $apt_what are the equivalents of: $*" >&2
		return 0 # the build itself will say what it does not find
	fi
	apt_wanted=$(apt_missing "$@")
	[ -n "$apt_wanted" ] || return 0
	apt_as=
	if [ "$(id -u)" != 0 ]; then
		apt_as='sudo -n'
		[ ! -t 0 ] || apt_as=sudo
		if ! command -v sudo >/dev/null || ! $apt_as true; then
			echo "missing $apt_what:$apt_wanted" >&2
			echo "not root and no sudo: install them (apt-get install --no-install-recommends$apt_wanted), then start this again" >&2
			exit 77
		fi
	fi
	echo "installing $apt_what:$apt_wanted"
	echo "(services among them are not started now; what Debian starts at the next boot is up to systemctl disable)"
	# shellcheck disable=SC2086 # words of a list
	$apt_as sh -c "$apt_install" sh $apt_wanted </dev/null || {
		echo "the packages could not be installed (see above); is the package archive within reach?" >&2
		exit 77
	}
}

# The build needs presets of that version: Debian 12 has 3.25.
apt_check_cmake() {
	if ! cmake_has=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p') || [ -z "$cmake_has" ] ||
		[ "$(printf '%s\n3.25\n' "$cmake_has" | sort -V | head -n 1)" != 3.25 ]; then
		echo "cmake 3.25 or newer is needed, here is ${cmake_has:-none}: the self-contained archive needs no build at all" >&2
		exit 77
	fi
}

BUILD_PACKAGES="cmake ninja-build gcc libc6-dev pkg-config liburcu-dev libmicrohttpd-dev libyaml-dev libjansson-dev
libc-ares-dev libssl-dev libpq-dev libhiredis-dev libmongoc-dev librdkafka-dev libcurl4-openssl-dev"
