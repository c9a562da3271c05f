"""evil_server.py: an HTTP server on loopback that plays Hugging Face's Hub and a Python package index, well or badly.

A Site holds the files of one test and a `behave` function, which may answer a request for a file itself: redirect, cut,
ignore Range, lie. Every request is logged. Python's standard library only.
"""
import hashlib
import http.server
import json
import socket
import ssl
import sys
import threading
import time

COMMIT = '0123456789abcdef0123456789abcdef01234567'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()


def hub_entry(path, data, lfs):
    if not lfs:
        return {'type': 'file', 'path': path, 'size': len(data), 'oid': git_sha1(data)}
    return {'type': 'file', 'path': path, 'size': len(data), 'oid': '0' * 40,
            'lfs': {'oid': sha256(data), 'size': len(data), 'pointerSize': 130}}


class Site:
    """The repository o/r with `files`, {path: bytes}; `tree` replaces what the Hub lists; `routes` adds {path: bytes}."""

    def __init__(self, files=None, tree=None, routes=None, behave=None):
        self.files, self.behave, self.routes, self.log = files or {}, behave, routes or {}, []
        self.tree = tree if tree is not None else [
            hub_entry(path, data, lfs=path.endswith('.safetensors')) for path, data in self.files.items()]

    def requests_for(self, path):
        return [request for request in self.log if request['path'].endswith(path)]


class Request(http.server.BaseHTTPRequestHandler):
    """One request; the methods below `do_GET` are what a `behave` function may call."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        site = self.server.site
        path = self.path.split('?')[0]
        with self.server.lock:
            site.log.append({'path': path, 'range': self.headers.get('Range'), 'if_range': self.headers.get('If-Range')})
        if path == '/api/models/o/r/revision/main':
            return self.send(json.dumps({'sha': COMMIT}).encode())
        if path == f'/api/models/o/r/tree/{COMMIT}':
            return self.send(json.dumps(site.tree).encode())
        if path in site.routes:
            return self.send_file(path, site.routes[path])
        prefix = f'/o/r/resolve/{COMMIT}/'
        if path.startswith(prefix) and path[len(prefix):] in site.files:
            return self.send_file(path[len(prefix):], site.files[path[len(prefix):]])
        return self.send(b'no such thing', 404)

    def send_file(self, path, data):
        behave = self.server.site.behave
        if behave is None or not behave(self, path, data):
            self.serve(data)

    def log_message(self, *_):
        pass

    # ---- for behave functions ----

    def nth(self, path):
        """How many requests for this path there have been, this one included."""
        return len(self.server.site.requests_for(path))

    def asked_from(self):
        wanted = self.headers.get('Range')
        return int(wanted.removeprefix('bytes=').split('-')[0]) if wanted else None

    def send(self, data, status=200, headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length != 'unknown':
            self.send_header('Content-Length', str(len(data) if length is None else length))
        else:
            self.send_header('Connection', 'close')
            self.close_connection = True
        self.end_headers()
        self.write(data)

    def serve(self, data, etag=None, cut_after=None, length=None):
        """The whole or the rest, as a good server does; cut_after ends the connection after so many bytes of body."""
        etag = etag or '"' + sha256(data)[:16] + '"'
        first = self.asked_from()
        if first is not None and self.headers.get('If-Range', etag) != etag:
            first = None
        if first is not None and first >= len(data):
            return self.send(b'', 416, [('Content-Range', f'bytes */{len(data)}')])
        headers = [('ETag', etag), ('Accept-Ranges', 'bytes')]
        if first is not None:
            headers.append(('Content-Range', f'bytes {first}-{len(data) - 1}/{len(data)}'))
        body = data[first or 0:]
        if cut_after is None or cut_after >= len(body):
            return self.send(body, 206 if first is not None else 200, headers, length)
        self.send(body[:cut_after], 206 if first is not None else 200, headers, length or len(body))
        self.cut()

    def redirect(self, location, status=302):
        self.send(b'elsewhere', status, [('Location', location)])

    def write(self, data):
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def hang(self, until):
        """Sends nothing more until the event is set, or the test has long failed."""
        until.wait(20)
        self.cut()

    def drip(self, data, bytes_per_s):
        for at in range(0, len(data), 65536):
            self.write(data[at:at + 65536])
            if self.close_connection:
                return
            time.sleep(65536 / bytes_per_s)


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # clients that leave are part of the tests
            super().handle_error(request, client_address)


class EvilServer:
    """`with EvilServer(site) as server:` serves on server.url; over TLS when given (certificate, key) files."""

    def __init__(self, site, tls=None):
        self.http = HttpServer(('127.0.0.1', 0), Request)
        self.http.site, self.http.lock = site, threading.Lock()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f'{"https" if tls else "http"}://127.0.0.1:{self.http.server_address[1]}'

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
