#!/usr/bin/env bash
# Benchmark (a): `apprentice review --staged` as a cold process, five changed files in a repository of 3,000, against
# the tools people run in a pre-commit hook today. Needs: hyperfine, python3, git, and prek, lefthook, pre-commit, ruff
# and ast-grep on PATH (pip install prek lefthook pre-commit ruff ast-grep-cli).
#   benches/staged.sh target/release/apprentice
set -euo pipefail
apprentice=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pip download --quiet --no-deps --no-binary :all: django==5.1 -d "$work"
tar xzf "$work"/*jango-5.1.tar.gz -C "$work"
repo="$work/repo"
mv "$work"/*jango-5.1 "$repo"
chown -R "$(id -u)" "$repo"
cd "$repo"
# All Python files, and enough others for 3,000.
find . -type f ! -name '*.py' | sort | tail -n +213 | tr '\n' '\0' | xargs -0 rm -f
printf 'repos:\n- repo: local\n  hooks:\n  - {id: t, name: t, entry: "true", language: system}\n' > .pre-commit-config.yaml
printf 'pre-commit:\n  commands:\n    t:\n      run: "true"\n' > lefthook.yml
git init -q . && git add -A && git -c user.email=a@example.com -c user.name=a commit -qm base && git gc -q
for file in django/utils/archive.py django/contrib/gis/geos/mutable_list.py django/core/serializers/__init__.py \
            django/http/cookie.py django/views/static.py; do
  printf '\n\ndef added(value):\n    if value == None:\n        return eval("value")\n' >> "$file"
done
git add -A
changed=$(git diff --cached --name-only | tr '\n' ' ')
python3 "$here/ast_grep_project.py" "$here/../config/rules" "$work/rules" python

hyperfine -N -i --warmup 5 --runs 40 --export-markdown "$work/staged.md" \
  -n 'apprentice review' "$apprentice review --no-linters" \
  -n 'prek run (one trivial hook)' 'prek run' \
  -n 'lefthook run (one trivial hook)' 'lefthook run pre-commit --no-tty' \
  -n 'pre-commit run (one trivial hook)' 'pre-commit run' \
  -n 'ruff check --no-cache' "ruff check --no-cache -q $changed" \
  -n 'ast-grep scan, same rules' "ast-grep scan --config $work/rules/sgconfig.yml $changed" \
  -n 'git diff --cached' 'git diff --cached --quiet'
cat "$work/staged.md"
