#!/usr/bin/env bash
# Runs apprentice-bot review-pr with the Action's inputs, which come through the environment and never as code.
#   scripts/run-action.sh FOLDER
set -euo pipefail

bot=${1:?usage: scripts/run-action.sh FOLDER}/current/apprentice-bot
arguments=(review-pr)
option() {
  if [ -n "$2" ]; then
    arguments+=("--$1=$2")
  fi
}
option mode "${INPUT_MODE:-auto}"
option fail-on "${INPUT_FAIL_ON:-}"
option model "${INPUT_MODEL:-}"
option sarif "${INPUT_SARIF:-}"
option artifact "${INPUT_ARTIFACT:-}"
option engine-config "${INPUT_CONFIG:-}"
exec "$bot" "${arguments[@]}"
