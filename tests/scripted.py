"""A server on loopback that fails as it is told, and the answers it gives."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ID = "0123456789abcdef" * 2
JOB = f"/v1/jobs/{ID}"
MOMENT = "2026-11-25T12:00:00Z"
ANSWER = json.dumps(
    {
        "objective": 2.0,
        "gradient": {"a": 1.0},
        "at": {"a": 1.0},
        "of the future": True,
        "provenance": {"versions": {}, "grid": [], "document_sha256": "", "seconds": 0.0},
    }
)
CUT = "cut"  # the connection is closed in the place of an answer


def reply(status=200, body=ANSWER, hold=None, **headers):
    return status, {k.replace("_", "-"): str(v) for k, v in headers.items()}, body, hold


def problem(status, **headers):
    body = {"title": "Busy", "status": status, "detail": "come again", "request_id": "r1"}
    return reply(status, json.dumps(body), Content_Type="application/problem+json", **headers)


def state(status="running", started=MOMENT, progress=0):
    job = {"id": ID, "jobID": ID, "task": "gradient", "status": status, "message": "", "links": []}
    job |= {"progress": progress, "created": MOMENT, "updated": MOMENT, "started": started}
    return reply(202 if status == "accepted" else 200, json.dumps(job))


def stream(*events, hold=None):
    """Server-sent events; cut off in the middle of one more, where it is held so many seconds."""
    text = ": a comment\n\n" + "".join(
        f"id: {n}\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for n, kind, data in events
    )
    return reply(200, text if hold is None else text + "id: 99\nevent: iter", hold=hold)


class Scripted:
    """A server on loopback that gives each path its answers in order, the last one for ever."""

    def __init__(self):
        self.script, self.requests, self.closing = {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                outer.requests.append((time.monotonic(), self.command, path, self.headers))
                answers = outer.script[path]
                outer.answer(self, answers.pop(0) if len(answers) > 1 else answers[0])

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def answer(self, handler, what):
        if what == CUT:
            handler.close_connection = True
            return
        status, headers, body, hold = what
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body.encode()) + (hold is not None)))
        handler.end_headers()
        handler.wfile.write(body.encode())
        if hold is not None:
            handler.wfile.flush()
            self.closing.wait(hold)
            handler.close_connection = True

    def times(self, path):
        return [t for t, _, p, _ in self.requests if p == path]

    def header(self, path, name):
        return [headers.get(name) for _, _, p, headers in self.requests if p == path]

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
