#!/usr/bin/env bash
# Qt needs a few shared libraries and a font that a bare Debian lacks. Install them when they are missing and it is possible.
set -euo pipefail
python=$1

complete() {
    "$python" -c 'from PyQt6 import QtWidgets, QtSvg' 2>/dev/null || return 1
    [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name '*.ttf' -print -quit 2>/dev/null)" ] || return 1
    [ -n "${DISPLAY:-}" ] || return 0
    local plugin
    plugin=$("$python" -c 'import pathlib, PyQt6; print(pathlib.Path(PyQt6.__file__).parent / "Qt6/plugins/platforms/libqxcb.so")')
    ! ldd "$plugin" 2>/dev/null | grep -q 'not found'
}

complete && exit 0
packages=(libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4
    libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core)
echo "Installing what Qt needs: ${packages[*]}" >&2
bash "$(dirname "$0")/as_root.sh" apt-get install -y -qq --no-install-recommends "${packages[@]}"
