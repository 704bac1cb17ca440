#!/usr/bin/env python3
"""Writes our pattern rules of some languages as an ast-grep project, so that both tools do the same work.

usage: ast_grep_project.py RULES_FOLDER OUT_FOLDER LANGUAGE[,LANGUAGE…] [COUNT]    (needs PyYAML)
"""
import os
import sys

import yaml

CORE = {"rule", "constraints", "utils", "transform", "fix", "rewriters", "files", "ignores"}

rules, out, languages = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
most = int(sys.argv[4]) if len(sys.argv) > 4 else None
os.makedirs(f"{out}/rules", exist_ok=True)
with open(f"{out}/sgconfig.yml", "w") as config:
    config.write("ruleDirs: [rules]\n")
written = 0
for folder in sorted(os.listdir(rules)):
    for name in sorted(os.listdir(f"{rules}/{folder}")):
        with open(f"{rules}/{folder}/{name}") as file:
            rule = yaml.safe_load(file)
        if "rule" not in rule:
            continue
        for language in rule.get("languages", [folder]):
            if language not in languages or (most is not None and written >= most):
                continue
            page = {key: value for key, value in rule.items() if key in CORE}
            page |= {"id": f"{folder}-{name[:-4]}", "language": language, "message": rule["what"], "severity": "warning"}
            with open(f"{out}/rules/{folder}-{name[:-4]}-{language}.yml", "w") as file:
                yaml.safe_dump(page, file, sort_keys=False)
            written += 1
print(f"{written} rules")
