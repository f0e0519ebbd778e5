#!/usr/bin/env bash
# Run an apt-get command as root, after refreshing the package lists; without root and sudo, say what to install.
set -euo pipefail
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" apt-get update -qq && "${as_root[@]}" "$@" >/dev/null; then
    exit 0
fi
echo "Run this as root and try again: $*" >&2
exit 1
