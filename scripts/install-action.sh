#!/usr/bin/env bash
# Puts apprentice-bot into FOLDER/bin for the Action: what was kept there, else the release of this version with its sum
# checked, else built from the Action's own source.
#   scripts/install-action.sh FOLDER
set -euo pipefail

folder=${1:?usage: scripts/install-action.sh FOLDER}
source=$(cd "$(dirname "$0")/.." && pwd)
# A folder is not kept for another source than it was made from.
version=$(cat "$source/Cargo.lock" "$source/Cargo.toml" | sha256sum | cut -c1-16)-${APPRENTICE_REF:-local}
version=${version//[^A-Za-z0-9._-]/-}
bin="$folder/bin/$version"
mkdir -p "$bin"

release() {
  # Only a version has a release.
  [[ ${APPRENTICE_REF:-} =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] || return 1
  local name machine
  machine=$(uname -m)
  name="apprentice-bot-$machine-unknown-linux-gnu.tar.gz"
  local address="https://github.com/apprentice-review/apprentice/releases/download/$APPRENTICE_REF/$name"
  curl --fail --silent --show-error --location --proto '=https' --retry 3 --output "$bin/$name" "$address" || return 1
  curl --fail --silent --show-error --location --proto '=https' --retry 3 --output "$bin/$name.sha256" "$address.sha256" ||
    return 1
  (cd "$bin" && sha256sum --check --quiet "$name.sha256" && tar -xzf "$name" apprentice-bot)
}

if [ -x "$bin/apprentice-bot" ]; then
  echo "apprentice-bot was kept from an earlier run"
elif [ -n "${APPRENTICE_BOT:-}" ]; then
  ln -sf "$APPRENTICE_BOT" "$bin/apprentice-bot"
  echo "apprentice-bot is the one that APPRENTICE_BOT names"
elif release; then
  echo "apprentice-bot was fetched as released"
else
  echo "there is no release of this version: apprentice-bot is built, which takes some minutes once"
  cargo build --release --locked --manifest-path "$source/Cargo.toml" -p apprentice-bot --target-dir "$folder/target"
  mv "$folder/target/release/apprentice-bot" "$bin/"
  rm -rf "$folder/target"
fi
ln -sfn "$bin" "$folder/current"
