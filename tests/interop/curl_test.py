# curl's handshakes and plain requests through the real binary:
#   python3 curl_test.py BIN_FOLDER [tls]
# With `tls` everything goes over https.
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

from certificates import Certificates  # noqa: E402
from curl_server import FRAMES, CurlServer  # noqa: E402
from harness import NOBODYS_PORT, Sluice, Tally, bin_folder, expect_equal  # noqa: E402

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 1.3
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": KEY}
OVER_TLS = sys.argv[2:] == ["tls"]
SCHEME = "https" if OVER_TLS else "http"


class Answer:
    """What curl printed with -i, and its exit status."""

    def __init__(self, output, exit_status):
        head, _, self.body = output.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.version, self.status = first.split(" ")[0], int(first.split(" ")[1])
        self.fields = {}
        for line in lines:
            name, value = line.split(":", 1)
            self.fields.setdefault(name.lower(), []).append(value.strip())
        self.exit_status = exit_status

    def field(self, name):
        """Its only value."""
        values = self.fields.get(name.lower(), [])
        expect_equal(len(values), 1, f"number of fields {name}")
        return values[0]

    def tokens(self, name):
        return sorted(token.strip().lower() for token in self.field(name).split(","))


class Stage:
    def __init__(self):
        self.server = CurlServer()
        self.certificates = Certificates() if OVER_TLS else None
        listen = self.certificates.listen("server") if OVER_TLS else []
        self.sluice = Sluice(os.path.join(bin_folder(most_arguments=2), "sluice"), [
            ("/server", self.server.port, "close_timeout 300ms"),
            ("/nobody", NOBODYS_PORT),
        ], listen=listen)

    def url(self, target):
        return f"{SCHEME}://127.0.0.1:{self.sluice.port}{target}"

    def curl(self, target, *options, fields=None, url=None):
        command = ["curl", "--http1.1", "--silent", "--include", "--no-buffer", "--noproxy", "*",
                   "--max-time", "20"]
        if OVER_TLS:
            authority = self.certificates.path("ca.pem")
            command += ["--cacert", authority, "--proxy-cacert", authority]
        for name, value in (fields or {}).items():
            command += ["--header", f"{name}: {value}"]
        command += [*options, url or self.url(target)]
        environment = {**os.environ, "HOME": self.sluice.folder}  # nobody's .curlrc
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30,
                              env=environment, check=False)
        if not done.stdout.startswith(b"HTTP/"):
            raise AssertionError(f"curl ended with {done.returncode}: {done.stdout[:200]!r}")
        return Answer(done.stdout, done.returncode)

    def expect_refused(self, target, status, *options, fields=None):
        """sluice's own refusal: complete, the connection's last answer, unseen by the server."""
        before = len(self.server.requests)
        answer = self.curl(target, *options, fields=fields)
        expect_equal(answer.status, status, f"status of {target}")
        expect_equal(answer.exit_status, 0, "exit status of curl")
        expect_equal("close" in answer.tokens("Connection"), True, "Connection: close")
        expect_equal(len(answer.body), int(answer.field("Content-Length")), "length of the body")
        expect_equal(len(self.server.requests), before, "requests at the server")
        return answer

    def expect_upgrade_required(self, target, *options, fields=None):
        answer = self.expect_refused(target, 426, *options, fields=fields)
        expect_equal(answer.field("Upgrade"), "websocket", "Upgrade")
        expect_equal(answer.tokens("Connection"), ["close", "upgrade"], "Connection")
        expect_equal(answer.field("Sec-WebSocket-Version"), "13", "Sec-WebSocket-Version")


def upgrade(stage, target="/server/ok?a=1&b=%20x", *options, url=None):
    answer = stage.curl(target, *options, fields=UPGRADE, url=url)
    expect_equal(answer.version, "HTTP/1.1", "version")
    expect_equal(answer.status, 101, "status")
    expect_equal(answer.field("Sec-WebSocket-Accept"), ACCEPT, "Sec-WebSocket-Accept")
    expect_equal(answer.field("Upgrade").lower(), "websocket", "Upgrade")
    expect_equal(answer.tokens("Connection"), ["upgrade"], "Connection")
    expect_equal(answer.field("X-Served-By"), "lock", "X-Served-By")
    expect_equal("sec-websocket-extensions" in answer.fields, False, "an extension")
    expect_equal("sec-websocket-protocol" in answer.fields, False, "a subprotocol")
    expect_equal(answer.body, FRAMES, "frames")


def see_request(stage):
    upgrade(stage)
    line, fields = stage.server.requests[-1]
    expect_equal(line, "GET /server/ok?a=1&b=%20x HTTP/1.1", "request line")
    named = dict(fields)
    expect_equal(len(named), len(fields), "each field once")
    expect_equal(named["sec-websocket-key"], KEY, "key")
    expect_equal(named["x-forwarded-for"], "127.0.0.1", "X-Forwarded-For")
    expect_equal(named["x-forwarded-proto"], SCHEME, "X-Forwarded-Proto")
    expect_equal(named["host"], f"127.0.0.1:{stage.sluice.port}", "Host")
    expect_equal(named["user-agent"].startswith("curl/"), True, "User-Agent")


def upgrade_in_absolute_form(stage):
    """As to a proxy: `GET http://127.0.0.1:PORT/server/ok`."""
    upgrade(stage, "", "--noproxy", "", "--proxy", stage.url(""),
            url=f"http://127.0.0.1:{stage.sluice.port}/server/absolute")
    line, fields = stage.server.requests[-1]
    expect_equal(line, "GET /server/absolute HTTP/1.1", "request line")
    expect_equal("proxy-connection" in dict(fields), False, "Proxy-Connection")


def ask_plainly(stage):
    stage.expect_upgrade_required("/server/ok")
    stage.expect_upgrade_required("/server/ok", "--http2")  # Upgrade: h2c
    answer = stage.curl("/server/ok", stage.url("/server/again"))
    expect_equal((answer.status, answer.exit_status), (426, 0), "the first of two")
    expect_equal(Answer(answer.body[int(answer.field("Content-Length")):], 0).status, 426,
                 "the second of two")


def post(stage):
    answer = stage.expect_refused("/server/ok", 405, "--request", "POST", fields=UPGRADE)
    expect_equal(answer.field("Allow"), "GET", "Allow")
    stage.expect_upgrade_required("/server/ok", "--data", "some=form")


def post_much(stage):
    """The answer arrives although most of the body is never asked for."""
    body = os.path.join(stage.sluice.folder, "body")
    with open(body, "wb") as file:
        file.write(bytes(4 * 1024 * 1024))
    answer = stage.curl("/server/ok", "--data-binary", f"@{body}", "--header", "Expect:")
    expect_equal(answer.status, 426, "status")
    expect_equal(len(answer.body), int(answer.field("Content-Length")), "length of the body")


def send_wrong_handshakes(stage):
    for version in ("8", "12", "14", "013", "x"):
        fields = {**UPGRADE, "Sec-WebSocket-Version": version}
        stage.expect_upgrade_required("/server/ok", fields=fields)
    without_version = {k: v for k, v in UPGRADE.items() if k != "Sec-WebSocket-Version"}
    stage.expect_upgrade_required("/server/ok", fields=without_version)
    for key in ("dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", "no base64 at all!!!!!!!!"):
        stage.expect_refused("/server/ok", 400, fields={**UPGRADE, "Sec-WebSocket-Key": key})
    # Over TLS it would ask for http/1.0 in ALPN, and get an alert.
    stage.expect_refused("/server/ok", 400, "--http1.0", "--no-alpn", fields=UPGRADE)
    stage.expect_refused("/server/ok", 400, fields={**UPGRADE, "Connection": "keep-alive"})
    stage.expect_refused("/server/ok", 400, "--header", "Host;", fields=UPGRADE)
    stage.expect_refused("/server/ok", 400, "--request", "GET", "--data", "x", fields=UPGRADE)


def send_wrong_targets(stage):
    for target in ("/server/../ok", "/../server/ok", "/server/./ok", "/server/..",
                   "/server/%2e%2e/ok", "/server/..;/ok", "//server/ok", "/server/a%00b"):
        stage.expect_refused(target, 400, "--path-as-is", fields=UPGRADE)
    for target in ("/", "/serve", "/servers", "/Server/ok", "/no/such/route"):
        stage.expect_refused(target, 404, fields=UPGRADE)
    stage.expect_refused("/server/" + "a" * 17_000, 414, fields=UPGRADE)
    stage.expect_refused("/server/ok", 431, "--header", "X-Large: " + "a" * 17_000, fields=UPGRADE)


def find_nobody(stage):
    stage.expect_refused("/nobody", 502, fields=UPGRADE)


def be_refused_by_server(stage):
    forbidden = stage.curl("/server/forbidden", fields=UPGRADE)
    expect_equal((forbidden.status, forbidden.exit_status), (403, 0), "status")
    expect_equal((forbidden.body, forbidden.field("X-Why")), (b"no!\n", "not you"), "answer")
    chunked = stage.curl("/server/chunked", fields=UPGRADE)
    expect_equal((chunked.status, chunked.exit_status), (401, 0), "status")
    expect_equal((chunked.body, chunked.field("WWW-Authenticate")), (b"who?\n", "Basic"), "answer")
    broken = stage.curl("/server/broken", fields=UPGRADE)
    expect_equal((broken.status, broken.exit_status), (403, 18), "a body that breaks off")


def see_tls(stage):
    """Each version, and an answer only with the right authority."""
    for version in ("1.2", "1.3"):
        upgrade(stage, "/server/ok", f"--tlsv{version}", "--tls-max", version)
    for options, status in (["--cacert", stage.certificates.path("stranger-ca.pem")], 60), \
                           (["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"], 35):
        try:
            stage.curl("/server/ok", *options, fields=UPGRADE)
        except AssertionError as error:
            expect_equal(f"curl ended with {status}" in str(error), True, str(error))
        else:
            raise AssertionError(f"{options} went well")


CHECKS = {
    "the sample key of RFC 6455": upgrade,
    "what the server sees": see_request,
    "absolute-form target": upgrade_in_absolute_form,
    "plain requests": ask_plainly,
    "POST": post,
    "POST of 4 MiB": post_much,
    "wrong handshakes": send_wrong_handshakes,
    "wrong targets": send_wrong_targets,
    "nobody behind the route": find_nobody,
    "the server refuses": be_refused_by_server,
}


def main():
    if shutil.which("curl") is None:
        sys.exit("curl is missing: `.ci/deps test` installs it")
    tally = Tally()
    stage = Stage()
    checks = {**CHECKS, "versions and trust": see_tls} if OVER_TLS else CHECKS
    with stage.sluice as sluice:
        for name, run in checks.items():
            with tally.check(f"curl, {SCHEME}: {name}"):
                run(stage)
        with tally.check("curl: sluice ends in order"):
            sluice.stop()
        if tally.failed > 0:
            sluice.print_tails()
    stage.server.shutdown()
    tally.conclude()


main()
