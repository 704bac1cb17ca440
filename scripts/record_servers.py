"""What do a client and a server say to each other? Stands between them and keeps each exchange, byte for byte.

    python scripts/record_servers.py FOLDER NAME LISTEN UPSTREAM

passes on what comes to 127.0.0.1:LISTEN to 127.0.0.1:UPSTREAM and back. The first whole exchange of each path and status
becomes FOLDER/NAME-PATH-STATUS.http: the request, an empty line, the answer as it came. Serves as a registry of Ollama's
own models too (`registry FOLDER LISTEN`, FOLDER as in OLLAMA_MODELS), so that a pull can be heard without the internet.
"""

import http.server
import os
import pathlib
import socket
import sys
import threading


def head_and_rest(connection, begun=b""):
    """The bytes up to the empty line, and those that came after it."""
    while b"\r\n\r\n" not in begun:
        piece = connection.recv(65536)
        if not piece:
            return begun, b""
        begun += piece
    at = begun.index(b"\r\n\r\n") + 4
    return begun[:at], begun[at:]


def field(head, name):
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return None


def pass_on(source, target, begun=b""):
    """One message from one side to the other; all its bytes, and whether it came to its end."""
    head, body = head_and_rest(source, begun)
    if not head.endswith(b"\r\n\r\n"):
        return head, False
    target.sendall(head + body)
    length, is_chunked = field(head, "content-length"), field(head, "transfer-encoding") == "chunked"
    while len(body) < int(length or 0) or (is_chunked and not body.endswith(b"0\r\n\r\n")):
        piece = source.recv(65536)
        if not piece:
            return head + body, False
        target.sendall(piece)
        body += piece
    return head + body, True


def keep(folder, name, request, answer):
    path = request.split(b" ")[1].decode().removeprefix("/api/").removeprefix("/v1/").strip("/").replace("/", "-")
    status = answer.split(b" ")[1].decode()
    file = pathlib.Path(folder, f"{name}-{path}-{status}.http")
    if not file.exists():
        file.write_bytes(request + b"\r\n\r\n" + answer)


def talk(connection, folder, name, upstream):
    with connection, socket.create_connection(("127.0.0.1", upstream)) as server:
        try:
            while True:
                request, is_whole = pass_on(connection, server)
                if not is_whole:
                    return
                answer, is_whole = pass_on(server, connection)
                if not is_whole:
                    return
                keep(folder, name, request, answer)
        except OSError:
            # Whoever asked has gone: the server is told so by the end of this connection.
            return


def listen(folder, name, port, upstream):
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection, folder, name, upstream), daemon=True).start()


class Registry(http.server.BaseHTTPRequestHandler):
    """Manifests and blobs of a folder of models; parts of a blob where they are asked for."""

    folder = pathlib.Path()

    def do_HEAD(self):
        self.reply(with_body=False)

    def do_GET(self):
        self.reply(with_body=True)

    def reply(self, with_body):
        owner, model, kind, what = self.path.removeprefix("/v2/").split("/")
        if kind == "manifests":
            file = next(self.folder.glob(f"manifests/*/{owner}/{model}/{what}"), self.folder / "none")
        else:
            file = self.folder / "blobs" / what.replace(":", "-")
        if not file.is_file():
            return self.send_error(404)
        host, _, port = self.headers["Host"].partition(":")
        if kind == "blobs" and host != "localhost" and self.command == "GET":
            # Ollama wants to be sent elsewhere for the bytes themselves.
            self.send_response(307)
            self.send_header("Location", f"http://localhost:{port}{self.path}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        first, last = 0, file.stat().st_size - 1
        asked = self.headers.get("Range")
        if asked:
            first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{file.stat().st_size}")
        self.end_headers()
        if with_body:
            with file.open("rb") as reader:
                reader.seek(first)
                self.wfile.write(reader.read(last - first + 1))


def main():
    if sys.argv[1] == "registry":
        Registry.folder = pathlib.Path(sys.argv[2])
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Registry).serve_forever()
    folder, name, port, upstream = sys.argv[1:5]
    os.makedirs(folder, exist_ok=True)
    listen(folder, name, int(port), int(upstream))


main()
