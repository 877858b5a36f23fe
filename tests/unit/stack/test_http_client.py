"""The command line's HTTP client: proxies, passwords, redirects and the causes of no answer."""

import base64
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from firedrill import http_client
from firedrill.processes import ports


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request's method, Authorization header and body; hangs at /hang."""

    def do_GET(self):
        if self.path == "/hang":
            self.server.release.wait()
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = f"{self.command}|{self.headers.get('Authorization', '')}|{body.decode()}"
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET  # noqa: N815 -- the name that http.server calls

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.release = threading.Event()
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        server.release.set()
        server.shutdown()


def get(url, **options):
    return http_client.request("GET", url, timeout_seconds=90, **options)


def test_a_proxy_in_the_environment_is_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ports.any_free()}")
    assert get(f"http://{server}/").ok


def test_a_password_in_the_url_is_decoded_and_sent(server):
    sent = get(f"http://anna:p%40ss@{server}/").text().split("|")[1]
    assert sent == "Basic " + base64.b64encode(b"anna:p@ss").decode()


def test_redirects_are_followed_unless_unwanted(server):
    assert get(f"http://{server}/moved").status == 200
    assert get(f"http://{server}/moved", follow_redirects=False).status == 302


def test_a_body_is_sent_as_json_and_errors_have_a_status(server):
    answer = http_client.request(
        "POST", f"http://{server}/none", json_body={"a": 1}, timeout_seconds=90
    )
    assert (answer.status, answer.ok, answer.text()) == (404, False, 'POST||{"a": 1}')


def test_a_response_that_does_not_come_has_timed_out(server):
    with pytest.raises(http_client.TimedOut, match=r"no answer within 0\.2 s"):
        http_client.request("GET", f"http://{server}/hang", timeout_seconds=0.2)


def test_a_port_on_which_nobody_listens_refuses():
    url = f"http://anna:secret@127.0.0.1:{ports.any_free()}/"
    with pytest.raises(http_client.NoAnswer, match="connection refused") as raised:
        get(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["nowhere", "localhost:9464", "http://a:99999/", "ftp://a/"])
def test_a_text_that_is_no_url_is_told(url):
    with pytest.raises(http_client.BadUrl, match="expected one such as"):
        get(url)


def test_a_certificate_that_nobody_vouches_for_is_told_apart(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        threading.Thread(target=secure.serve_forever).start()
        try:
            with pytest.raises(http_client.Untrusted, match="certificate cannot be verified"):
                get(f"https://127.0.0.1:{secure.server_port}/")
        finally:
            secure.shutdown()
    with pytest.raises(http_client.NoAnswer) as caught:
        get(f"https://{server}/")
    assert not isinstance(caught.value, http_client.Untrusted)
