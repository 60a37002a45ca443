#!/bin/sh
# Installs the emulator into an environment of its own and puts its command on the path.
# To use the feature, copy this folder to .devcontainer/custom-vision-emulator and add to devcontainer.json:
#   "features": { "ghcr.io/devcontainers/features/python:1": {}, "./custom-vision-emulator": {} }
set -eu
python3 -m venv "${FOLDER:=/opt/custom-vision-emulator}"
"$FOLDER/bin/pip" install --no-cache-dir "${PACKAGE:-custom-vision-emulator[testing]}"
ln -sf "$FOLDER/bin/custom-vision-emulator" /usr/local/bin/custom-vision-emulator
