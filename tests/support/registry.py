"""A private schema registry, brought up by deploy/servers.sh, and a scripted one for what a real one does not do on
demand."""

import json
import signal
import struct
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.servers import ManagedServers

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
NO_SCHEMA = 404, {"error_code": 40403, "message": "Schema not found"}


def confluent(schema_id, body):
    """Confluent's framing."""
    return struct.pack(">bI", 0, schema_id) + body


class Registry(ManagedServers):
    """Apicurio, which speaks Confluent's interface. What it holds outlives its end."""

    def __init__(self, directory):
        super().__init__(directory, "--registry")
        self.url = self.env["REGISTRY_URL"]

    def ask(self, method, path, body=None):
        """The decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": CONTENT_TYPE}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def register(self, subject, schema, references=()):
        """The id."""
        body = {"schema": schema if isinstance(schema, str) else json.dumps(schema), "references": list(references)}
        return self.ask("POST", f"/subjects/{subject}/versions", body)["id"]

    def _answers(self, _server):
        try:
            self.ask("GET", "/subjects")
            return True
        except (OSError, ValueError):
            return False

    def kill(self):
        self.end("registry", signal.SIGKILL)

    def start_again(self):
        self.resume("registry")


class ScriptedRegistry:
    """Answers by `script`: {path: [(status, body), ...]}, one after the other, the last one for good; a body that is a
    dict becomes JSON; a callable is asked with the handler. What was asked for is in `questions`: (method, path, headers)."""

    def __init__(self, script=None, tls=None):
        self.script = script or {}
        self.questions = []
        self._lock = threading.Lock()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                if size:
                    self.rfile.read(size)
                status, body = registry.next_answer(self)
                if callable(body):
                    body = body(self)
                is_json = isinstance(body, (dict, list))
                body = json.dumps(body).encode() if is_json else body
                try:
                    self.send_response(status)
                    if is_json:
                        self.send_header("Content-Type", CONTENT_TYPE)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # whoever asked has not waited

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"

    def next_answer(self, handler):
        with self._lock:
            self.questions.append((handler.command, handler.path, dict(handler.headers)))
            answers = self.script.get(handler.path, [NO_SCHEMA])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def count(self, path):
        with self._lock:
            return sum(1 for _method, asked, _headers in self.questions if asked == path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def scripted(script=None, **arguments):
    registry = ScriptedRegistry(script, **arguments)
    try:
        yield registry
    finally:
        registry.close()
