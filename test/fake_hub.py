"""A hub on this machine that takes what huggingface_hub uploads, as far as one commit of small files goes."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """What was asked of it: `repositories` (name -> private), `files` by repository, and `tokens` that came."""

    def __init__(self, writable: bool = True):
        self.repositories: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.tokens: set[str] = set()
        self.commits = 0
        self.writable = writable
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words):
                pass

            def do_GET(self):  # noqa: N802
                self.answer(200, hub.get(self.path))

            def do_POST(self):  # noqa: N802
                hub.tokens.add(self.headers.get("authorization", ""))
                size = int(self.headers.get("content-length") or 0)
                self.answer(*hub.post(self.path, self.rfile.read(size)))

            def answer(self, status: int, content: object):
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> "FakeHub":
        self.thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self.server.shutdown()
        self.server.server_close()

    def get(self, path: str) -> object:
        """A repository's state."""
        name = "/".join(path.split("/")[3:5])
        known = [{"rfilename": file} for file in self.files.get(name, {})]
        return {"id": name, "sha": "0" * 40, "siblings": known, "private": self.repositories.get(name, False)}

    def post(self, path: str, body: bytes) -> tuple[int, object]:
        """Make a repository, or take a commit."""
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if not self.writable:
            return 403, {"error": "You have no right to write here."}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            if name in self.repositories:
                return 409, {"url": f"{self.endpoint}/{name}", "error": "It is there already."}
            self.repositories[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            return 200, {"url": f"{self.endpoint}/{name}", "id": name}
        name = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            files = []
            for file in json.loads(body)["files"]:
                held = self.files.get(name, {}).get(file["path"])
                oid = hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest() if held is not None else None
                files.append({"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": oid})
            return 200, {"files": files}
        if "/commit/" in path:
            self.commits += 1
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.files.setdefault(name, {})[entry["value"]["path"]] = content
            url = f"{self.endpoint}/{name}/commit/{'1' * 40}"
            return 200, {"commitUrl": url, "commitOid": "1" * 40, "success": True}
        return 404, {"error": f"no {path} here"}
