"""Download the training packages by name and unpack their text files.

Each registry is reached through its ordinary client (pip, npm, cargo, go, mvn), as that
client is configured. The sources end in WORK/src/<registry>/<package>/, and
WORK/licenses.tsv records what each package declares. A Python package whose license is
not on the allow-list is removed again.
"""

import email
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from concurrent import futures
from pathlib import Path

HERE = Path(__file__).parent
KEEP = (".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".rs", ".go", ".java", ".md", ".rst", ".txt")
FREE = re.compile(r"\b(MIT|BSD|Apache|ASL|PSF|PSFL|ISC|Python Software Foundation|0BSD|Unlicense|HPND|ZPL|Zope)\b", re.I)
UNFREE = re.compile(r"\b(A?L?GPL|GNU|MPL|Mozilla|EPL|CDDL|EUPL|proprietary|commercial|noncommercial|SSPL|BUSL|CC-BY-NC)", re.I)
SKIP = re.compile(r"(^|/)(tests?|testing|testdata|_vendor|vendored?|node_modules|third_party|locale|data)/", re.I)
MAX_FILE = 400_000


def read_list(path):
    """Return {registry: [package, …]} from the package list."""
    sections, current = {}, None
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        elif line:
            current.extend(line.split())
    return sections


def run(command, **kwargs):
    """Run a client quietly; return whether it succeeded."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **kwargs).returncode == 0


def keep_file(name):
    """Whether a member of an archive is text that we can use."""
    if name.endswith(".min.js") or SKIP.search("/" + name):
        return False
    return name.endswith(KEEP) and not name.startswith("/") and ".." not in name


def save(target, name, data):
    """Write one source file below its package's folder."""
    if len(data) <= MAX_FILE:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def license_of(metadata):
    """The license that a wheel's METADATA declares, as one short string."""
    head = email.message_from_string(metadata)
    parts = [head.get("License-Expression") or ""]
    parts += [c.split("::")[-1].strip() for c in head.get_all("Classifier", []) if c.startswith("License")]
    if not any(parts):
        parts.append((head.get("License") or "").strip()[:80])
    return " / ".join(p for p in parts if p).replace("\n", " ").replace("\t", " ")


def is_free(text):
    """Whether a declared license is permissive: dual licensing counts when one arm is."""
    if re.search(r"\bOR\b", text):
        return bool(FREE.search(text))
    return bool(FREE.search(text)) and not UNFREE.search(text)


def pypi(name, root):
    """Fetch one wheel and unpack it; return (name, license, kept)."""
    target = root / "pypi" / name
    if target.exists():
        return name, (target / ".license").read_text(), True
    with tempfile.TemporaryDirectory(dir=root) as folder:
        ok = run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir",
                  "--only-binary=:all:", "-d", folder, name], timeout=240)
        wheels = list(Path(folder).glob("*.whl"))
        if not ok or not wheels:
            return name, "no wheel", False
        with zipfile.ZipFile(wheels[0]) as archive:
            meta = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            text = archive.read(meta).decode("utf-8", "replace")
            license_text = license_of(text)
            if not is_free(license_text):
                return name, license_text or "not declared", False
            target.mkdir(parents=True)
            (target / ".license").write_text(license_text)
            save(target, "README.md", text.partition("\n\n")[2].encode())
            for info in archive.infolist():
                if info.file_size <= MAX_FILE and keep_file(info.filename):
                    save(target, info.filename, archive.read(info))
    return name, license_text, True


def npm(name, root):
    """Fetch one npm tarball and unpack it; return (name, license, kept)."""
    target = root / "npm" / name.replace("/", "__")
    if target.exists():
        return name, (target / ".license").read_text(), True
    with tempfile.TemporaryDirectory(dir=root) as folder:
        ok = run(["npm", "pack", "--silent", "--ignore-scripts", name], cwd=folder, timeout=240)
        archives = list(Path(folder).glob("*.tgz"))
        if not ok or not archives:
            return name, "not found", False
        with tarfile.open(archives[0]) as archive:
            members = [m for m in archive.getmembers() if m.isfile()]
            package = next(m for m in members if m.name.count("/") == 1 and m.name.endswith("/package.json"))
            license_text = str(json.load(archive.extractfile(package)).get("license", ""))
            if not is_free(license_text):
                return name, license_text or "not declared", False
            target.mkdir(parents=True)
            (target / ".license").write_text(license_text)
            for member in members:
                short = member.name.partition("/")[2]
                if member.size <= MAX_FILE and keep_file(short):
                    save(target, short, archive.extractfile(member).read())
    return name, license_text, True


def copy_tree(source, target):
    """Copy the usable text files of an unpacked package."""
    for path in Path(source).rglob("*"):
        short = str(path.relative_to(source))
        if path.is_file() and keep_file(short) and path.stat().st_size <= MAX_FILE:
            save(target, short, path.read_bytes())


def crates(names, root):
    """Vendor the crates with their dependencies; yield (name, license, kept)."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        run(["cargo", "init", "-q", "--lib", "--name", "texts", folder])
        for name in names:
            if not run(["cargo", "add", "-q", name], cwd=folder):
                print("crate not added:", name)
        run(["cargo", "vendor", "-q", "vendor"], cwd=folder)
        for crate in sorted(Path(folder, "vendor").glob("*")):
            text = (crate / "Cargo.toml").read_text()
            found = re.search(r'^license\s*=\s*"([^"]*)"', text, re.M)
            license_text = found.group(1).replace("/", " OR ") if found else ""
            kept = is_free(license_text)
            if kept:
                copy_tree(crate, root / "crates" / crate.name)
            yield crate.name, license_text, kept


def go(name, root):
    """Fetch one Go module; return (name, license, kept)."""
    target = root / "go" / name.replace("/", "__")
    if target.exists():
        return name, (target / ".license").read_text(), True
    with tempfile.TemporaryDirectory(dir=root) as folder:
        env = dict(os.environ, GOMODCACHE=folder, GOFLAGS="-modcacherw", GO111MODULE="on")
        done = subprocess.run(["go", "mod", "download", "-json", name + "@latest"], cwd=folder,
                              env=env, capture_output=True, text=True, timeout=400, check=False)
        place = json.loads(done.stdout).get("Dir") if done.stdout else None
        if not place:
            return name, "not found", False
        head = "".join(p.read_text(errors="replace")[:1500] for p in Path(place).glob("LICENSE*"))
        license_text = ("Apache-2.0" if "Apache License" in head else
                        "MIT" if "Permission is hereby granted" in head else
                        "BSD" if "Redistribution and use" in head else "")
        if license_text:
            target.mkdir(parents=True)
            (target / ".license").write_text(license_text)
            copy_tree(place, target)
        return name, license_text or "not declared", bool(license_text)


def maven(name, root):
    """Fetch one source archive from Maven; return (name, license, kept). The list holds only Apache-2.0 ones."""
    target = root / "maven" / name.replace(":", "__")
    if target.exists():
        return name, "Apache-2.0", True
    _, artifact, version = name.split(":")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        ok = run(["mvn", "-q", "-B", f"-Dmaven.repo.local={folder}/repo", "dependency:get",
                  f"-Dartifact={name}:jar:sources", "-Dtransitive=false"], timeout=300)
        jars = list(Path(folder).rglob(f"{artifact}-{version}-sources.jar"))
        if not ok or not jars:
            return name, "not found", False
        with zipfile.ZipFile(jars[0]) as archive:
            for info in archive.infolist():
                if info.file_size <= MAX_FILE and keep_file(info.filename):
                    save(target, info.filename, archive.read(info))
    return name, "Apache-2.0", True


def standard_library(root):
    """Copy the running Python's standard library (PSF license)."""
    target = root / "pypi" / "cpython"
    if not target.exists():
        source = Path(sysconfig.get_paths()["stdlib"])
        for path in source.rglob("*.py"):
            short = str(path.relative_to(source))
            if "site-packages" not in short and "/test" not in "/" + short and path.stat().st_size <= MAX_FILE:
                save(target, short, path.read_bytes())
        (target / ".license").write_text("PSF-2.0")


def main():
    work = Path(sys.argv[1]).resolve()
    only = sys.argv[2:]
    root = work / "src"
    root.mkdir(parents=True, exist_ok=True)
    lists = read_list(HERE / "packages.txt")
    rows = [("pypi", "cpython", "PSF-2.0", True)]
    standard_library(root)
    with futures.ThreadPoolExecutor(4) as pool:
        for registry, fetch in (("pypi", pypi), ("npm", npm), ("go", go), ("maven", maven)):
            if only and registry not in only:
                continue

            def safe(name, fetch=fetch):
                try:
                    return fetch(name, root)
                except (OSError, subprocess.SubprocessError, StopIteration, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
                    return name, f"failed: {type(error).__name__}", False

            for row in pool.map(safe, lists[registry]):
                rows.append((registry, *row))
    if not only or "crates" in only:
        rows += [("crates", *row) for row in crates(lists["crates"], root)]
    with open(work / ("licenses.tsv" if not only else f"licenses-{'-'.join(only)}.tsv"), "w") as out:
        out.write("registry\tpackage\tlicense\tused\n")
        for registry, name, license_text, kept in rows:
            out.write(f"{registry}\t{name}\t{license_text}\t{'yes' if kept else 'no'}\n")
    print(sum(r[3] for r in rows), "packages of", len(rows))


if __name__ == "__main__":
    main()
