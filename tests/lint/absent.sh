#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# absent.sh PATTERN PATH… [--but PATTERN]: fails and shows the lines when PATTERN stands in a source below PATH.
set -eu
pattern=$1
shift
but='^$'
paths=
while [ $# -gt 0 ]; do
	case $1 in
	--but) but=$2; shift 2 ;;
	*) paths="$paths $1"; shift ;;
	esac
done
# shellcheck disable=SC2086 # paths of this project have no spaces
files=$(find $paths -type f \( -name '*.[ch]' -o -name '*.py' -o -name '*.sh' -o -name 'CMakeLists.txt' \) |
	grep -Ev "$but" | grep -v '/absent\.sh$' || true)
[ -n "$files" ] || { echo "no file below$paths: what is looked at?"; exit 1; }
# shellcheck disable=SC2086
if grep -nE -e "$pattern" $files /dev/null; then
	echo "$pattern has no business there"
	exit 1
fi
