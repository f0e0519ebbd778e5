#!/usr/bin/env bash
# Qt needs a few shared libraries and a font that a bare Debian lacks. Install them when they are missing and it is possible.
set -euo pipefail
python=$1
probe='from PyQt6 import QtWidgets, QtSvg'
if "$python" -c "$probe" 2>/dev/null && [ -n "$(find /usr/share/fonts /usr/local/share/fonts -name '*.ttf' -print -quit 2>/dev/null)" ]; then
    exit 0
fi
packages=(libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4
    libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 fonts-dejavu-core)
echo "Installing what Qt needs: ${packages[*]}" >&2
bash "$(dirname "$0")/as_root.sh" apt-get install -y -qq --no-install-recommends "${packages[@]}"
