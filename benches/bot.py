#!/usr/bin/env python3
"""How many webhooks a second does the bot's door take, beside probot's? Prints a Markdown table.

    cargo build --release --workspace --bins --examples
    benches/bot.py target/release FOLDER [--seconds 10] [--rates 200,500,1000,2000] [--rounds 2]
    benches/bot.py target/release FOLDER --only bot --rates 1000 --seconds 60 --pulls 100,1000,10000 [--workers real]

probot is installed by name into FOLDER (npm), with an app that handles `pull_request` and does nothing. It has no durable
queue: what it answered with 200 is lost when it dies, and nothing in it notices a delivery that comes twice.

`--workers none` (what holds unless given): GitHub cannot be reached, so deliveries are kept and no worker has begun: the
door alone. `--workers lost`: they ask the forge about pull requests that are not there, and give up. `--workers real`: they
review pull requests of the forge all the while, on the same cores.
Receivers take turns: A B, A B. CPU seconds and memory are the receiver's own, without the sender's and the forge's.
"""

import argparse, http.client, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

SECRET = "It's a Secret to Everybody"
APP = """
import { createWriteStream } from "node:fs";
export default (app) => {
  const log = createWriteStream(process.env.SEEN);
  app.on("pull_request", async (context) => { log.write(context.id + "\\n"); });
};
"""


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Forge:
    """The fake GitHub, told what to do by lines of JSON."""

    def __init__(self, release):
        self.process = subprocess.Popen([release / "forge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        hello = json.loads(self.process.stdout.readline())
        self.url, self.key = hello["url"], hello["app_key"]

    def do(self, **deed):
        self.process.stdin.write(json.dumps(deed) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def pulls(self, many, repos):
        """So many pull requests over so many repositories, three small files with two findings each."""
        for r in range(repos):
            self.do(do="create", repo=f"acme/r{r}", files={f"lib/{n}.py": f"x = {n}\n" for n in range(20)})
        for p in range(many):
            body = "    if rows == None:\n        return 1\n    assert (rows, 'none')\n"
            files = {f"src/m{p}_{n}.py": f"def f{p}_{n}(rows):\n{body if n == 0 else '    return rows'}\n" for n in range(3)}
            repo = f"acme/r{p % repos}"
            self.do(do="push", repo=repo, login="acme", branch=f"t{p}", files=files)
            self.do(do="open_pr", repo=repo, login="acme", branch=f"t{p}", title="t")

    def end(self):
        self.process.kill()
        self.process.wait()


class Receiver:
    def __init__(self, command, folder, environment, at, ready):
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=self.log, stderr=self.log)
        end = time.time() + 30
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", at, timeout=2)
                connection.request("GET", ready)
                if connection.getresponse().status in (200, 404):
                    break
            except OSError:
                pass
            if time.time() > end or self.process.poll() is not None:
                sys.exit(f"not ready: see {folder}/log")
            time.sleep(0.05)

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def bot(binary, forge, folder):
    at = port()
    (folder / "app.pem").write_text(forge.key)
    (folder / "operator.toml").write_text("[linters]\nenable = false\n")
    (folder / "bot.toml").write_text(
        f'[server]\nlisten = "127.0.0.1:{at}"\nstate = "state"\n[github]\napi = "{forge.url}"\nweb = "{forge.url}"\n'
        f'app_id = 7\nprivate_key_file = "app.pem"\n[review]\nconfig = "operator.toml"\n')
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "APPRENTICE_WEBHOOK_SECRET": SECRET}
    command = [binary, "--config", "bot.toml", "serve"]
    receiver = Receiver(command, folder, environment, at, "/readyz")
    receiver.url, receiver.kept = f"http://127.0.0.1:{at}/webhook", ["--db", folder / "state/state.db"]
    return receiver


def probot(installed, forge, folder):
    at = port()
    environment = dict(os.environ, PORT=str(at), HOST="127.0.0.1", APP_ID="7", PRIVATE_KEY=forge.key, WEBHOOK_SECRET=SECRET,
                       NODE_ENV="production", SEEN=str(folder / "seen"), GHE_HOST="", LOG_LEVEL="info")
    command = ["node", installed / "node_modules/probot/bin/probot.js", "run", installed / "app.mjs"]
    receiver = Receiver(command, folder, environment, at, "/ping")
    receiver.url, receiver.kept = f"http://127.0.0.1:{at}/api/github/webhooks", ["--log", folder / "seen"]
    return receiver


def install(folder):
    if not (folder / "node_modules/probot").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "probot"], cwd=folder, check=True, stdout=sys.stderr)
    (folder / "app.mjs").write_text(APP)
    return json.loads((folder / "node_modules/probot/package.json").read_text())["version"]


def measure(start, release, rate, pulls, given, installation):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-bot-"))
    receiver = start(folder)
    try:
        before = receiver.cpu()
        command = [release / "examples/bot_load", "--url", receiver.url, "--rate", rate, "--seconds", given.seconds,
                   "--pulls", pulls, "--repos", min(20, pulls), "--installation", installation, *receiver.kept]
        report = json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)
        report |= {"cpu": receiver.cpu() - before, "peak": receiver.peak(), "load": os.getloadavg()[0]}
        if receiver.kept[0] == "--db":
            tasks = subprocess.run(["sqlite3", receiver.kept[1], "select state, count(*) from task group by 1"],
                                   capture_output=True, text=True).stdout
            report["tasks"] = tasks.replace("\n", " ").strip()
        return report
    finally:
        receiver.end()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("release", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("folder", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--rates", default="200,500,1000,2000")
    parser.add_argument("--pulls", default="1000")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", choices=["none", "lost", "real"], default="none")
    parser.add_argument("--bot", type=lambda p: pathlib.Path(p).resolve())
    given = parser.parse_args()
    version = "" if given.only == "bot" else install(given.folder)
    binary = given.bot or given.release / "apprentice-bot"
    print(f"probot {version}, node {subprocess.run(['node', '--version'], capture_output=True, text=True).stdout.strip()}, "
          f"{os.cpu_count()} cores\n", file=sys.stderr)
    print("| receiver | rate/s | pulls | accepted | lost | p50 ms | p90 ms | p99 ms | max ms | CPU s | peak MB | load | tasks |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for rate in map(int, given.rates.split(",")):
        for pulls in map(int, given.pulls.split(",")):
            for _ in range(given.rounds):
                for name in ["bot", "probot"]:
                    if given.only and name != given.only:
                        continue
                    forge = Forge(given.release)
                    try:
                        if given.workers == "real":
                            forge.pulls(pulls, min(20, pulls))
                        installation = forge.do(do="install", account="acme")["installation"]
                        if given.workers == "none":
                            forge.url = "http://127.0.0.1:9"
                        make = bot if name == "bot" else probot
                        first = binary if name == "bot" else given.folder
                        r = measure(lambda f: make(first, forge, f), given.release, rate, pulls, given, installation)
                    finally:
                        forge.end()
                    accepted = sum(n for status, n in r["statuses"].items() if status.startswith("2"))
                    print(f"| {name} | {rate} | {pulls} | {accepted} of {r['sent']} | {r['lost']} | {r['p50_ms']} | {r['p90_ms']} "
                          f"| {r['p99_ms']} | {r['max_ms']} | {r['cpu']:.2f} | {r['peak']:.0f} | {r['load']:.1f} "
                          f"| {r.get('tasks', '')} |", flush=True)


if __name__ == "__main__":
    main()
