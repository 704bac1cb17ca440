#!/usr/bin/env bash
# Benchmark (b): `apprentice review --all --no-linters` on Django 5.1's source against ast-grep with the same rules,
# semgrep with equally many pattern rules, and ruff. Needs: hyperfine, python3 with PyYAML, and ast-grep, semgrep and
# ruff on PATH (pip install ast-grep-cli semgrep ruff).
#   benches/whole.sh target/release/apprentice
set -euo pipefail
apprentice=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pip download --quiet --no-deps --no-binary :all: django==5.1 -d "$work"
tar xzf "$work"/*jango-5.1.tar.gz -C "$work"
mkdir "$work/src" && cd "$work"/*jango-5.1
find . -name '*.py' -print0 | xargs -0 cp --parents -t "$work/src"
cd "$work/src"
echo "$(find . -name '*.py' | wc -l) files, $(cat $(find . -name '*.py') | wc -c) bytes"

# The same rules: ours that are patterns, for Python.
python3 "$here/ast_grep_project.py" "$here/../config/rules" "$work/rules" python
only=$(cd "$work/rules/rules" && printf '"%s",' * | sed 's/\([a-z]*\)-\([^"]*\)-python\.yml/\1\/\2/g')
printf '[rules]\nonly = [%s]\n' "${only%,}" > apprentice.toml
python3 "$here/semgrep_rules.py" "$here/../config/rules" "$(ls "$work/rules/rules" | wc -l)" > "$work/semgrep.yml"

hyperfine -i --warmup 1 --runs 5 --export-markdown "$work/whole.md" \
  -n 'apprentice, the same rules' "$apprentice review --all --no-linters --format jsonl --output $work/ours.jsonl" \
  -n 'ast-grep scan, the same rules' "ast-grep scan --config $work/rules/sgconfig.yml --json=stream . > $work/ag.jsonl" \
  -n 'ruff check --no-cache' 'ruff check --no-cache -q . > /dev/null'
hyperfine -i --warmup 0 --runs 2 --export-markdown "$work/semgrep.md" \
  -n 'semgrep scan, as many pattern rules' \
  "semgrep scan --metrics=off --disable-version-check --no-git-ignore --config $work/semgrep.yml --json -o $work/sg.json . >/dev/null 2>&1"
cat "$work/whole.md" "$work/semgrep.md"
echo "found: apprentice $(wc -l < "$work/ours.jsonl"), ast-grep $(wc -l < "$work/ag.jsonl")"
/usr/bin/time -f 'apprentice: %M KiB at most' "$apprentice" review --all --no-linters --format jsonl --output /dev/null || true
rm apprentice.toml
/usr/bin/time -f 'apprentice, every rule and native check: %e s, %M KiB at most' \
  "$apprentice" review --all --no-linters --format jsonl --output "$work/ours.jsonl" || true
