"""A server of archives in tests: one that breaks off, lacks ranges, is busy or has no such file, as asked."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `ranges` switches resuming off, `breaks` holds after how many bytes to hang up, one an answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.failures: list[int] = []
        self.ranges = True
        self.requests: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):  # noqa: N802
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        body = self.server.files.get(self.path)
        if body is None:
            return self.send_error(404)
        if self.server.failures and not self.path.endswith("md5sum.txt"):
            return self.send_error(self.server.failures.pop(0))
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if first >= len(body):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        cut = None if self.path.endswith("md5sum.txt") or not self.server.breaks else self.server.breaks.pop(0)
        self.wfile.write(body[first:] if cut is None else body[first : first + cut])

    def log_message(self, *args):
        pass


@contextmanager
def running_server() -> Iterator[Server]:
    """A server in a thread of its own, gone afterwards."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def packed(members: dict[str, bytes]) -> bytes:
    """A tar.gz of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=0) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def serve(server: Server, name: str, body: bytes, md5: str | None = None) -> None:
    """Have the server give out a file, and name its sum in md5sum.txt: the right one, or `md5`."""
    server.files[f"/{name}"] = body
    sums = server.files.get("/md5sum.txt", b"").decode()
    server.files["/md5sum.txt"] = f"{sums}{md5 or hashlib.md5(body).hexdigest()}  {name}\n".encode()
