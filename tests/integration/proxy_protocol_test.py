"""Balancers: PROXY headers in and out, trusted proxies, and HAProxy itself in front and behind."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from harness import BIN, PATIENCE, Skip, Sluice, Suite, failed_start, free_port, wait_until
from tls import authority, client_wrap, server_wrap, site
from wire import TEXT, Upstream, Wire, close_in_order, dial, pair, request

suite = Suite()

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack(
    ">HH", 5000, 443)
TRUSTING = "@trusted_proxies 127.0.0.1 unix\n@proxy_protocol on\n"


def v2(command=0x21, family=0x11, behind=ADDRESSES):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(behind)) + behind


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def wait_for_port(port):
    def there():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(there, f"somebody on port {port}")


class Introduced:
    """Puts a PROXY header before what `wrap` makes of a client's socket."""

    def __init__(self, header, wrap=None, piece=0):
        self.header, self.wrap, self.piece = header, wrap, piece

    def __call__(self, sock):
        if self.piece:
            for at in range(0, len(self.header), self.piece):
                sock.sendall(self.header[at:at + self.piece])
                time.sleep(0.001)
        else:
            sock.sendall(self.header)
        return self.wrap(sock) if self.wrap else sock


def told(upstream, sluice, header, fields=(), **options):
    """What the upstream is told of a client with that header, and the client's access line."""
    client, server = pair(sluice, upstream, fields=fields, wrap=Introduced(header, **options))
    close_in_order(client, server)
    return server.request


@suite.check
def the_client_is_whom_the_header_names():
    with Upstream() as upstream, Sluice(f"{TRUSTING}\nroute /\n  proxy_pass {upstream.uri}\n"
                                        "  set_header X-Port $remote_port") as sluice:
        for header in (V1, v2(), v2(behind=ADDRESSES + tlv(2, b"a.example") + tlv(0xee, b""))):
            for piece in (0, 1, 13):
                head = told(upstream, sluice, header, piece=piece)
                assert head.all("X-Forwarded-For") == ["192.0.2.7"], head.raw
                assert head.get("X-Port") == "5000"
        line = sluice.access_line("close", client="192.0.2.7:5000")
        assert line["closed_by"] == "client"
        v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n"
        assert told(upstream, sluice, v6).get("X-Forwarded-For") == "2001:db8::7"
        sluice.access_line("close", client="[2001:db8::7]:5000")
        # Who names nobody is the client; a unix socket's has no address.
        for header in (b"PROXY UNKNOWN\r\n", v2(0x20, 0, b""), v2(0x21, 0, b"")):
            assert told(upstream, sluice, header).get("X-Forwarded-For") == "127.0.0.1"
        head = told(upstream, sluice, v2(0x21, 0x31, b"x" * 216))
        assert not head.all("X-Forwarded-For"), head.raw
        # The client spoke TLS to the balancer.
        ssl = tlv(0x20, b"\1\0\0\0\0" + tlv(0x21, b"TLSv1.3"))
        assert told(upstream, sluice, v2(behind=ADDRESSES + ssl)).get("X-Forwarded-Proto") == "https"
        sluice.wait_idle()


@suite.check
def tls_behind_the_header():
    conf = f"{TRUSTING}\n{site().lines}\nroute /\n  proxy_pass UPSTREAM\n"
    with Upstream() as upstream, Sluice(conf.replace("UPSTREAM", upstream.uri)) as sluice:
        for piece in (0, 7):
            head = told(upstream, sluice, v2(), wrap=client_wrap(), piece=piece)
            assert head.get("X-Forwarded-For") == "192.0.2.7"
            assert head.get("X-Forwarded-Proto") == "https"
        # In one segment with the request: no TLS, so 400, to the client that it names.
        client = dial(sluice.port)
        client.send(V1 + request())
        assert client.head().status == 400
        sluice.access_line("refused", client="192.0.2.7:5000")


def closed_without_a_word(port, data, shut=False):
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.sendall(data)
    if shut:
        sock.shutdown(socket.SHUT_WR)
    try:
        assert sock.recv(100) == b""
    except ConnectionResetError:
        pass
    sock.close()


@suite.check
def what_is_no_header_is_closed_and_told():
    with Upstream() as upstream, Sluice(f"{TRUSTING}@client_header_timeout 300ms\nroute /\n"
                                        f"  proxy_pass {upstream.uri}") as sluice:
        wrong = v2(behind=ADDRESSES + tlv(3, b"1234"))
        for data, reason in ((request(), "no PROXY header"), (b"\x16\x03\x01", "no PROXY header"),
                             (b"PROXY TCP4 1.2.3.4\r\n", "without two addresses"),
                             (b"PROXY " + b"x" * 200, "of more than 107 bytes"),
                             (v2(0x21, 0x11, b"\0" * 5000)[:16], "of more than 4096 bytes"),
                             (wrong, "a wrong checksum"),
                             (V1[:-3], "client_header_timeout in the PROXY header")):
            closed_without_a_word(sluice.port, data)
            wait_until(lambda reason=reason: reason in sluice.errors(), reason)
        remedy = r" warn listen \S+: closed a connection from 127\.0\.0\.1:\d+: no PROXY header; .*"
        assert re.search(remedy + "trusted_proxies", sluice.errors()), sluice.errors()
        sluice.access_line("refused", reason="no PROXY header")
        # A probe of the port is no fault, and neither is a header without a request.
        closed_without_a_word(sluice.port, b"", shut=True)
        refused = len([line for line in sluice.access() if line["event"] == "refused"])
        closed_without_a_word(sluice.port, v2(0x20, 0, b""))
        assert len([line for line in sluice.access() if line["event"] == "refused"]) == refused
        sluice.wait_idle()


@suite.check
def strangers_may_not_send_one():
    conf = "@trusted_proxies 192.0.2.0/24\n@proxy_protocol on\nroute /\n  proxy_pass ws://127.0.0.1:9"
    with Sluice(conf) as sluice:
        closed_without_a_word(sluice.port, V1 + request())
        wait_until(lambda: "not from a trusted proxy; with proxy_protocol on" in sluice.errors(),
                   "the remedy")
        sluice.wait_idle()
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        client = dial(sluice.port)
        client.send(V1 + request())
        assert client.head().status == 400


@suite.check
def a_listener_that_would_believe_nobody():
    for lines in ("proxy_protocol on", "proxy_protocol on\n  trusted_proxies unix"):
        errors = failed_start(f"listen 127.0.0.1:{free_port()}\n  {lines}\n"
                              "route /\n  proxy_pass ws://127.0.0.1:9", listen=False)
        assert re.search(r"sluice.conf:\d+: proxy_protocol: listen .* believes nobody; write "
                         "trusted_proxies with the balancer's address", errors), errors


@suite.check
def balancers_over_unix_sockets():
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = os.path.join(folder, "listener")
        conf = f"listen unix:{path}\n  trusted_proxies unix\n"
        route = f"route /\n  proxy_pass {upstream.uri}"
        for lines, header, fields in (("  proxy_protocol on\n", V1, []),
                                      ("", b"", [("X-Forwarded-For", "192.0.2.7")])):
            with Sluice(conf + lines + route, listen=False) as sluice:
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(PATIENCE)
                sock.connect(path)
                client = Wire(sock, masked=True)
                client.send(header + request(fields=fields))
                server = upstream.upgrade()
                assert client.head().status == 101
                assert server.request.all("X-Forwarded-For") == ["192.0.2.7"], server.request.raw
                close_in_order(client, server)


@suite.check
def fields_of_trusted_hops():
    conf = ("@trusted_proxies 127.0.0.0/8 10.0.0.0/8\nroute /\n  proxy_pass UPSTREAM\n"
            "  forwarded on")
    with Upstream() as upstream, Sluice(conf.replace("UPSTREAM", upstream.uri)) as sluice:
        client, server = pair(sluice, upstream, fields=[
            ("X-Forwarded-For", "1.1.1.1, 192.0.2.7"), ("X-Forwarded-For", "10.0.0.1"),
            ("X-Forwarded-Proto", "https"), ("X-Real-IP", "1.1.1.1")])
        head = server.request
        assert head.all("X-Forwarded-For") == ["1.1.1.1, 192.0.2.7, 10.0.0.1, 127.0.0.1"]
        assert head.get("X-Forwarded-Proto") == "https" and not head.all("X-Real-IP")
        assert head.get("Forwarded") == ("for=1.1.1.1, for=192.0.2.7, for=10.0.0.1, "
                                         'for=127.0.0.1;host="test.example";proto=http')
        close_in_order(client, server)
        assert sluice.access_line("close", client="192.0.2.7")["closed_by"] == "client"


@suite.check
def behind_a_header_the_hop_is_whom_it_names():
    """A CDN before the balancer: the header names the CDN, whose field names the client."""
    conf = "@trusted_proxies 127.0.0.1 192.0.2.0/24\n@proxy_protocol on\nroute /\n  proxy_pass UPSTREAM"
    said = [("X-Forwarded-For", "203.0.113.9")]
    with Upstream() as upstream, Sluice(conf.replace("UPSTREAM", upstream.uri)) as sluice:
        head = told(upstream, sluice, V1, fields=said)
        assert head.all("X-Forwarded-For") == ["203.0.113.9, 192.0.2.7"]
        sluice.access_line("close", client="203.0.113.9")
    # The balancer's own address is trusted, whom it names is not.
    with Upstream() as upstream, Sluice(f"{TRUSTING}\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        assert told(upstream, sluice, V1, fields=said).all("X-Forwarded-For") == ["192.0.2.7"]


def take_header(wire):
    """A PROXY header off a connection: its words (v1), or addresses and TLVs."""
    while not wire.buffer.startswith((b"PROXY ", SIGNATURE)):
        assert len(wire.buffer) < 12 and wire.fill(), bytes(wire.buffer)
    if wire.buffer.startswith(b"PROXY "):
        while b"\r\n" not in wire.buffer:
            wire.fill()
        line, _, wire.buffer = wire.buffer.partition(b"\r\n")
        return line.decode()
    head = wire.take(16)
    behind = wire.take(struct.unpack(">H", head[14:])[0])
    size = {0: 0, 0x11: 12, 0x21: 36}[head[13]]
    addresses, rest, tlvs = behind[:size], behind[size:], {}
    while rest:
        length = struct.unpack(">H", rest[1:3])[0]
        tlvs[rest[0]] = rest[3:3 + length]
        rest = rest[3 + length:]
    return head[12:14], addresses, tlvs


@suite.check
def headers_for_upstreams():
    with Upstream() as upstream:
        for version in ("v1", "v2"):
            conf = f"route /\n  proxy_pass {upstream.uri}\n  send_proxy_protocol {version}"
            with Sluice(conf) as sluice:
                client = dial(sluice.port)
                port = client.sock.getsockname()[1]
                client.send(request())
                server = upstream.accept()
                header = take_header(server)
                if version == "v1":
                    assert header == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {sluice.port}", header
                else:
                    local = socket.inet_aton("127.0.0.1")
                    assert header[0] == b"\x21\x11"
                    assert header[1] == local + local + struct.pack(">HH", port, sluice.port)
                    assert header[2][1] == b"http/1.1" and header[2][2] == b"test.example"
                    head = server.head()
                    assert head.line.startswith("GET / ")
                    identity = header[2][5].decode()
                    client.close()
                    server.close()
                    wait_until(lambda: any(line.get("id") == identity for line in sluice.access()),
                               "an access line with the id that the upstream was told")
                    continue
                assert server.head().line.startswith("GET / ")
                client.close()
                server.close()


@suite.check
def headers_for_upstreams_in_tls_and_from_trusted_hops():
    with Upstream() as upstream:
        conf = (f"{TRUSTING}@tls_ca {authority().path}\n{site().lines}\nroute /\n"
                f"  proxy_pass wss://127.0.0.1:{upstream.port}\n  send_proxy_protocol v2")
        with Sluice(conf) as sluice:
            client = dial(sluice.port, wrap=Introduced(V1, client_wrap()))
            client.send(request(host="other.example"))
            sock, _ = upstream.listener.accept()
            sock.settimeout(PATIENCE)
            raw = Wire(sock, masked=False)
            head = raw.sock.recv(16, socket.MSG_WAITALL)
            behind = raw.sock.recv(struct.unpack(">H", head[14:])[0], socket.MSG_WAITALL)
            assert head[12:14] == b"\x21\x11" and behind[:12] == ADDRESSES, behind
            assert tlv(2, b"test.example") in behind  # SNI, before Host
            server = Wire(server_wrap()(sock), masked=False)
            assert server.head().get("X-Forwarded-For") == "192.0.2.7"
            client.close()
            server.close()


class HAProxy:
    """HAProxy with these sections."""

    def __init__(self, text):
        if shutil.which("haproxy") is None:
            raise Skip("HAProxy is not installed")
        self.folder = tempfile.mkdtemp(prefix="sluice-haproxy-")
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write("defaults\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n"
                       + text)
        self.process = subprocess.Popen(["haproxy", "-db", "-f", path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@suite.check
def haproxy_in_front():
    for word in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"):
        for wrap, lines in ((None, ""), (client_wrap(), site().lines)):
            with Upstream() as upstream, Sluice(f"{TRUSTING}\n{lines}\nroute /\n"
                                                f"  proxy_pass {upstream.uri}") as sluice:
                port = free_port()
                text = (f"frontend in\n  mode tcp\n  bind 127.0.0.1:{port}\n  default_backend out\n"
                        f"backend out\n  mode tcp\n  server s 127.0.0.1:{sluice.port} {word}\n")
                with HAProxy(text):
                    wait_for_port(port)
                    sock = socket.socket()
                    sock.settimeout(PATIENCE)
                    sock.bind(("127.0.0.5", 0))
                    sock.connect(("127.0.0.1", port))
                    own = sock.getsockname()[1]
                    client = Wire(wrap(sock) if wrap else sock, masked=True)
                    client.send(request())
                    server = upstream.upgrade()
                    assert client.head().status == 101
                    assert server.request.all("X-Forwarded-For") == ["127.0.0.5"], word
                    client.send_frame(TEXT, b"hello")
                    server.expect(TEXT, b"hello")
                    close_in_order(client, server)
                    sluice.access_line("close", client=f"127.0.0.5:{own}")


@suite.check
def haproxy_behind():
    for version in ("v1", "v2"):
        for secure in (False, True):
            with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
                port = free_port()
                pem = os.path.join(folder, "site.pem")
                with open(pem, "wb") as file:
                    for path in (site().path, site().key):
                        with open(path, "rb") as part:
                            file.write(part.read())
                tls = f" ssl crt {pem}" if secure else ""
                text = (f"frontend in\n  mode http\n  bind 127.0.0.1:{port} accept-proxy{tls}\n"
                        "  option forwardfor\n  http-request set-header X-Source %[src]:%[src_port]\n"
                        "  default_backend out\nbackend out\n  mode http\n"
                        f"  server s 127.0.0.1:{upstream.port}\n")
                scheme = "wss" if secure else "ws"
                conf = (f"@tls_ca {authority().path}\nroute /\n"
                        f"  proxy_pass {scheme}://127.0.0.1:{port}\n  send_proxy_protocol {version}\n"
                        "  remove_header X-Forwarded-For")
                with HAProxy(text), Sluice(conf) as sluice:
                    wait_for_port(port)
                    sock = socket.socket()
                    sock.settimeout(PATIENCE)
                    sock.bind(("127.0.0.5", 0))
                    sock.connect(("127.0.0.1", sluice.port))
                    client = Wire(sock, masked=True)
                    client.send(request())
                    server = upstream.upgrade()
                    assert client.head().status == 101
                    assert server.request.get("X-Forwarded-For") == "127.0.0.5"
                    assert server.request.get("X-Source") == f"127.0.0.5:{sock.getsockname()[1]}"
                    close_in_order(client, server)


@suite.check
def connections_come_from_addresses_of_ours_in_turn():
    with Upstream() as upstream:
        conf = f"route /\n  proxy_pass {upstream.uri}\n  bind_address 127.0.0.2 127.0.0.3"
        with Sluice(conf) as sluice:
            seen = []
            for _ in range(4):
                client, server = pair(sluice, upstream)
                seen.append(server.sock.getpeername()[0])
                close_in_order(client, server)
            assert seen == ["127.0.0.2", "127.0.0.3"] * 2, seen
            assert "EPERM" not in sluice.errors()


@suite.check
def an_address_of_another_machine():
    with Upstream() as upstream:
        conf = f"route /\n  proxy_pass {upstream.uri}\n  bind_address 192.0.2.99 127.0.0.3"
        with Sluice(conf) as sluice:
            client, server = pair(sluice, upstream)  # the next one is asked at once
            assert server.sock.getpeername()[0] == "127.0.0.3"
            close_in_order(client, server)
            line = "bind_address 192.0.2.99: this machine has no such address"
            wait_until(lambda: line in sluice.errors(), "it is told")


def in_a_network_of_its_own(check):
    """Runs that check of this file by itself, where it may change the network's settings."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        raise Skip("a network of its own takes root, unshare and ip")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, os.path.abspath(__file__), BIN, check], check=False,
        env={**os.environ, "SLUICE_TEST_INSIDE": "1"}, capture_output=True, timeout=120)
    if b"unshare failed" in done.stderr:
        raise Skip("this machine gives no network of its own")
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@suite.check
def each_address_has_all_ports_toward_a_peer():
    if os.environ.get("SLUICE_TEST_INSIDE") != "1":
        return in_a_network_of_its_own("each_address_has_all_ports_toward_a_peer")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with Upstream() as upstream:
        conf = f"route /\n  proxy_pass {upstream.uri}\n  bind_address 127.0.0.2 127.0.0.3"
        with Sluice(conf) as sluice:
            with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
                file.write("20000 20009")  # ten for each address
            pairs = []
            for number in range(20):
                sock = socket.socket()
                sock.bind(("127.0.0.1", 30_000 + number))  # a client takes none of the ten
                sock.connect(("127.0.0.1", sluice.port))
                client = Wire(sock, masked=True)
                client.send(request())
                pairs.append((client, upstream.upgrade()))
                assert client.head().status == 101, number
            sock = socket.socket()
            sock.bind(("127.0.0.1", 31_000))
            sock.connect(("127.0.0.1", sluice.port))
            client = Wire(sock, masked=True)
            client.send(request())
            assert client.head().status == 502
            wait_until(lambda: "no port of it is left toward this peer" in sluice.errors(), "told")
            for client, server in pairs:
                close_in_order(client, server)
    return None


suite.run()
