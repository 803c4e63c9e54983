"""What the proxy demands of wss:// upstreams, and what becomes of a session where one fails: its
answer, the reason in both logs, the next peer."""
import os
import shutil
import ssl
import subprocess
import tempfile
import threading

from harness import BIN, Sluice, Suite, wait_until
from tls import Authority, authority, client_wrap, server_context, server_wrap, site, stranger
from wire import (BINARY, CLOSE, TEXT, Upstream, answer_101, close_payload, dial, frame, pair,
                  refusal, request)

suite = Suite()

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def behind(servers, settings="", top="", route="", **options):
    """A plain listener in front of an upstream named `far`."""
    if not isinstance(servers, (list, tuple)):
        servers = [servers]
    lines = "".join(f"  server {uri}\n" for uri in servers)
    return Sluice(f"{top}\nupstream far\n{lines}{settings}\nroute /\n  proxy_pass far\n{route}",
                  **options)


def trusting(upstream, settings="", **options):
    return behind(upstream.uri, f"  tls_ca {authority().path}\n{settings}", **options)


def far(context=None, **options):
    return Upstream(wrap=server_wrap(context), **options)


def named(upstream, host):
    return upstream.uri.replace("127.0.0.1", host)


class Failing(threading.Thread):
    """Accepts TLS connections whose handshakes are to fail; remembers how they did."""

    def __init__(self, upstream):
        super().__init__(daemon=True)
        self.upstream = upstream
        self.errors = []
        self.start()

    def run(self):
        try:
            while True:
                try:
                    self.upstream.accept().head()
                    self.errors.append("none: a request came")
                except (ssl.SSLError, EOFError, ConnectionResetError) as error:
                    self.errors.append(str(error))
        except OSError:
            pass  # the listener was closed


ASKED = "the upstream asks for a client certificate (tls_client_certificate)"


def fails_with(sluice, upstream, reason, alert, status=502, detail=""):
    failing = Failing(upstream)
    head, _ = refusal(sluice, request())
    assert head.status == status, head.raw
    sluice.access_line("refused", status=str(status), reason=reason)
    told = f" warn upstream far: peer 127.0.0.1:{upstream.port}: TLS handshake: {reason}"
    told += f": {detail}" if detail else ", request "
    wait_until(lambda: told in sluice.errors(), f"{told!r} in {sluice.errors()}", 5)
    wait_until(lambda: failing.errors, "the upstream's view", 5)
    assert alert in failing.errors[0], failing.errors
    assert not any("request came" in each for each in failing.errors), failing.errors


@suite.check
def certificates_are_verified_by_default():
    """Against the system's authorities, which do not know ours; nothing falls back."""
    with far() as upstream, behind(upstream.uri) as sluice:
        fails_with(sluice, upstream, "unable to get local issuer certificate", "ALERT_UNKNOWN_CA",
                   detail="CN=test.example is issued by CN=sluice test authority, which is neither")


@suite.check
def authority_of_the_system():
    """From a folder as c_rehash makes it, which workers cannot look into when they need it."""
    with tempfile.TemporaryDirectory() as folder, far() as upstream:
        digest = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", authority().path],
                                check=True, capture_output=True, text=True, timeout=60).stdout
        shutil.copy(authority().path, f"{folder}/{digest.strip()}.0")
        with behind(upstream.uri, prefix=("env", f"SSL_CERT_DIR={folder}")) as sluice:
            pair(sluice, upstream)


@suite.check
def expired():
    with far(server_context(authority().issue(expired=True))) as upstream:
        with trusting(upstream) as sluice:
            fails_with(sluice, upstream, "certificate has expired", "ALERT_CERTIFICATE_EXPIRED",
                       detail="CN=test.example ended on Feb  1 00:00:00 2020 GMT")


@suite.check
def self_signed():
    alone = stranger()
    with far(server_context(alone)) as upstream, trusting(upstream) as sluice:
        fails_with(sluice, upstream, "self-signed certificate", "ALERT_UNKNOWN_CA",
                   detail="CN=another authority is none of the trusted authorities")


@suite.check
def wrong_authority():
    with far(server_context(stranger().issue())) as upstream, trusting(upstream) as sluice:
        fails_with(sluice, upstream, "unable to get local issuer certificate", "ALERT_UNKNOWN_CA",
                   detail="CN=test.example is issued by CN=another authority, which is neither")


@suite.check
def wrong_name_and_wrong_address():
    elsewhere = server_context(authority().issue("/CN=localhost", ("DNS:elsewhere.example",)))
    with far(elsewhere) as upstream:
        with behind(named(upstream, "localhost"), f"  tls_ca {authority().path}\n") as sluice:
            fails_with(sluice, upstream, "hostname mismatch", "ALERT_BAD_CERTIFICATE",
                       detail="asked for localhost, the certificate names elsewhere.example")
    with far(elsewhere) as upstream, trusting(upstream) as sluice:
        fails_with(sluice, upstream, "IP address mismatch", "ALERT_BAD_CERTIFICATE",
                   detail="asked for 127.0.0.1, the certificate names elsewhere.example")


@suite.check
def client_certificate_missing_or_foreign():
    """Demanded by the upstream. In TLS 1.3 its alert comes behind the handshake, with the answer."""
    with far(server_context(trusted=authority().path, version=V12)) as upstream:
        with trusting(upstream) as sluice:
            fails_with(sluice, upstream, ASKED, "PEER_DID_NOT_RETURN")
    foreign = stranger().issue()
    shown = f"  tls_client_certificate {foreign.path}\n  tls_client_key {foreign.key}\n"
    for settings, reason in (("", ASKED),
                             (shown, "the peer refuses our certificate: unknown authority")):
        with far(server_context(trusted=authority().path, version=V13)) as upstream:
            with trusting(upstream, settings) as sluice:
                Failing(upstream)
                head, _ = refusal(sluice, request())
                assert head.status == 502, head.raw
                sluice.access_line("refused", status="502", reason=reason)
                assert f"peer 127.0.0.1:{upstream.port}: {reason}, request " in sluice.errors()


@suite.check
def revoked_servers():
    issuer = Authority("servers' authority")
    shown = issuer.issue()
    for crl, revoked in ((issuer.revocations(), False), (issuer.revocations(shown), True)):
        with far(server_context(shown)) as upstream:
            with behind(upstream.uri, f"  tls_ca {issuer.path}\n  tls_crl {crl}\n") as sluice:
                if not revoked:
                    pair(sluice, upstream)
                    continue
                fails_with(sluice, upstream, "certificate revoked", "ALERT_CERTIFICATE_REVOKED",
                           detail="CN=test.example")


@suite.check
def client_certificate_is_shown():
    ours = authority().issue("/CN=edge 1")
    shown = f"  tls_client_certificate {ours.path}\n  tls_client_key {ours.key}\n"
    for version in (V12, V13):
        with far(server_context(trusted=authority().path, version=version)) as upstream:
            with trusting(upstream, shown) as sluice:
                _, server = pair(sluice, upstream)
                subject = server.sock.tls.getpeercert()["subject"]
                assert subject == ((("commonName", "edge 1"),),), subject


@suite.check
def names_that_are_sent_and_demanded():
    """SNI carries the server URI's host, or tls_server_name; no address (RFC 6066 3)."""
    for host, settings, wanted in (("localhost", "", "localhost"), ("127.0.0.1", "", None),
                                   ("127.0.0.1", "  tls_server_name test.example\n", "test.example"),
                                   ("localhost", "  tls_server_name test.example\n", "test.example")):
        context = server_context(alpn=("h2", "http/1.1"))
        seen = []
        context.sni_callback = lambda tls, name, _, seen=seen: seen.append(name)
        with far(context) as upstream:
            with behind(named(upstream, host), f"  tls_ca {authority().path}\n{settings}") as sluice:
                _, server = pair(sluice, upstream)
                assert seen == [wanted], (host, settings, seen)
                assert server.sock.tls.selected_alpn_protocol() == "http/1.1"
    with far() as upstream, trusting(upstream, "  tls_server_name other.example\n") as sluice:
        fails_with(sluice, upstream, "hostname mismatch", "ALERT_BAD_CERTIFICATE",
                   detail="asked for other.example, the certificate names localhost, test.example,")


@suite.check
def verification_off_is_warned_about():
    with far(server_context(stranger().issue(expired=True))) as upstream:
        with behind(upstream.uri, "  tls_verify off\n") as sluice:
            with open(sluice.conf_path, encoding="ascii") as file:
                line = file.read().split("\n").index("  tls_verify off") + 1
            warning = (f'sluice: warning: {sluice.conf_path}:{line}: upstream "far" trusts any '
                       "certificate (tls_verify off)\n")
            assert warning in sluice.errors(), sluice.errors()
            pair(sluice, upstream)
            checked = subprocess.run([os.path.join(BIN, "sluice"), "-t", "-c", sluice.conf_path],
                                     capture_output=True, text=True, check=False, timeout=20)
            assert checked.returncode == 0 and warning in checked.stderr, checked


@suite.check
def protocols_and_ciphers_toward_upstreams():
    one = "ECDHE-ECDSA-AES256-GCM-SHA384"
    for settings, version, cipher in (("  tls_protocols TLSv1.2\n", "TLSv1.2", None),
                                      ("  tls_protocols TLSv1.3\n", "TLSv1.3", None),
                                      (f"  tls_protocols TLSv1.2\n  tls_ciphers {one}\n", "TLSv1.2",
                                       one)):
        with far() as upstream, trusting(upstream, settings) as sluice:
            _, server = pair(sluice, upstream)
            assert server.sock.tls.version() == version
            assert cipher in (None, server.sock.tls.cipher()[0])
    with far(server_context(version=V12)) as upstream:
        with trusting(upstream, "  tls_protocols TLSv1.3\n") as sluice:
            fails_with(sluice, upstream, "tlsv1 alert protocol version", "UNSUPPORTED_PROTOCOL")


def resumed(sluice, upstream):
    client, server = pair(sluice, upstream)
    client.send_frame(TEXT, "x")  # by then the ticket, sent before the 101, was read
    server.expect(TEXT, "x")
    return server.sock.tls.session_reused


@suite.check
def sessions_are_resumed_with_the_same_peer():
    for version in (V12, V13):
        with far(server_context(version=version)) as upstream, trusting(upstream) as sluice:
            assert [resumed(sluice, upstream) for _ in range(4)] == [False, True, True, True]


@suite.check
def sessions_are_resumed_nowhere_else():
    """Two upstreams with one server but other settings, and two servers with one set of keys."""
    context = server_context()
    with far(context) as one, far(context) as two:
        conf = (f"@tls_ca {authority().path}\nupstream strict\n  server {one.uri}\n"
                f"upstream lax\n  server {one.uri}\n  tls_verify off\n"
                f"upstream other\n  server {two.uri}\n"
                "route /strict\n  proxy_pass strict\nroute /lax\n  proxy_pass lax\n"
                "route /other\n  proxy_pass other")
        with Sluice(conf) as sluice:
            def reused(target, upstream):
                client, server = pair(sluice, upstream, target=target)
                client.send_frame(TEXT, "x")
                server.expect(TEXT, "x")
                return server.sock.tls.session_reused
            for target, upstream in (("/lax", one), ("/strict", one), ("/other", two)):
                assert not reused(target, upstream), f"{target} resumes another's session"
                assert reused(target, upstream), target


@suite.check
def next_peer_is_tried():
    """A peer whose TLS fails has heard nothing, so that the next one may be told."""
    bad = server_context(stranger().issue())
    with far(bad) as untrusted, far() as good:
        Failing(untrusted)
        ca = f"  tls_ca {authority().path}\n"
        with behind([untrusted.uri, good.uri], ca) as sluice:
            for _ in range(4):
                client, server = pair(sluice, good)
                client.send_frame(TEXT, "x")
                server.expect(TEXT, "x")
            assert f"peer 127.0.0.1:{untrusted.port}: TLS handshake: " in sluice.errors()
        # Where none is left, the reason of the last is told.
        with behind([untrusted.uri, untrusted.uri], ca) as sluice:
            assert refusal(sluice, request())[0].status == 502
            sluice.access_line("refused", reason="unable to get local issuer certificate")


def before_tls(act, reason, status=502, settings="", note="TLS handshake: "):
    """The peer does `act` with the plain socket instead of its part of the TLS handshake."""
    with Upstream() as upstream:
        uri = upstream.uri.replace("ws:", "wss:")
        with behind(uri, f"  tls_ca {authority().path}\n{settings}") as sluice:
            upstream.serve(act)
            head, _ = refusal(sluice, request())
            assert head.status == status, head.raw
            sluice.access_line("refused", status=str(status), reason=reason)
            if note is not None:
                told = f"peer 127.0.0.1:{upstream.port}: {note}{reason}, request "
                assert told in sluice.errors(), (told, sluice.errors())


@suite.check
def peers_that_do_not_speak_tls():
    def hello(wire, answer):
        wire.fill()
        wire.send(answer)
        wire.rest()
    for answer, reason in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "the upstream does not speak TLS"),
                           (b"\0" * 64, "the upstream does not speak TLS"),
                           (b"\x15\x03\x03\x00\x02\x02\x28", "sslv3 alert handshake failure"),
                           (b"\x16\x03\x03\x00\x04\x63\0\0\0", "unexpected message")):
        before_tls(lambda wire, answer=answer: hello(wire, answer), reason)
    # A 101 in the clear, right after the hello: the tunnel never begins.
    before_tls(lambda wire: hello(wire, answer_101("x" * 24) + frame(TEXT, "x")),
               "the upstream does not speak TLS")


@suite.check
def peers_that_leave_in_the_tls_handshake():
    def leave(wire):
        wire.fill()
        wire.close()

    def leave_halfway(wire):
        wire.fill()
        wire.send(b"\x16\x03\x03\x00\x7a\x02\x00")
        wire.close()

    def vanish(wire):
        wire.fill()
        wire.reset()
    before_tls(leave, "closed during the TLS handshake")
    before_tls(leave_halfway, "ended during the TLS handshake")
    before_tls(vanish, "closed during the TLS handshake")


@suite.check
def tls_handshakes_that_hang():
    """handshake_timeout is absolute and covers TLS: silence and dripping end in 504."""
    held = []

    def hang(wire):
        held.append(wire)
        wire.fill()

    def drip(wire):
        held.append(wire)
        wire.fill()
        try:
            for byte in b"\x16\x03\x03\x00\x7a\x02" + bytes(200):
                wire.send(bytes([byte]))
                threading.Event().wait(0.05)
        except OSError:
            pass  # cut off at the deadline
    for act in (hang, drip):
        before_tls(act, "handshake_timeout", 504, "  handshake_timeout 1s\n", note=None)


def ends(act, reason):
    """A session whose upstream does `act`; what the client and the log are told."""
    with far() as upstream, trusting(upstream) as sluice:
        client, server = pair(sluice, upstream)
        server.send_frame(TEXT, "before")
        client.expect(TEXT, "before")
        act(server)
        client.expect_end()
        client.close()
        line = sluice.access_line("close", reason=reason)
        assert line["closed_by"] == "upstream" and "code" not in line, line


@suite.check
def ends_in_the_middle_of_a_session():
    """close_notify, none, an alert, garbage and RST are told apart."""
    ends(lambda server: server.finish(), "connection ended without a close")
    ends(lambda server: server.sock.cut(), "TLS ended without close_notify")
    ends(lambda server: server.reset(), "connection reset by peer")
    ends(lambda server: server.sock.sock.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32),
         "decryption failed or bad record mac")
    ends(lambda server: server.sock.sock.sendall(frame(TEXT, "in the clear")),
         "wrong version number")


def complain(server):
    """The upstream breaks off because it cannot read us: its alert is sealed as any record is."""
    server.sock.incoming.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    try:
        server.sock.recv(1)
    except ssl.SSLError:
        pass  # its alert is on its way


@suite.check
def alert_in_the_middle():
    ends(complain, "sslv3 alert bad record mac")


@suite.check
def truncation_inside_a_frame():
    """Half a frame, then an end of any kind: the client is aborted, never closed as if it had all."""
    for end in (lambda server: server.sock.cut(), lambda server: server.finish(),
                lambda server: server.reset()):
        with far() as upstream, trusting(upstream) as sluice:
            client, server = pair(sluice, upstream)
            server.send(frame(BINARY, b"x" * 1000)[:600])
            client.take(600)
            end(server)
            client.expect_reset()
            line = sluice.access_line("close")
            assert line["closed_by"] == "upstream" and "code" not in line, line


@suite.check
def truncation_before_the_answer():
    """The end of an answer's head or body that is not close_notify is not taken for one."""
    def cut_head(wire):
        wire.head()
        wire.send(b"HTTP/1.1 101 Switch")
        wire.sock.cut()

    def cut_body(wire):
        wire.head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\n\r\nhalf a b")  # its end is the connection's
        wire.sock.cut()

    def whole_body(wire):
        wire.head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\n\r\nwhole")
        wire.close()
    with far() as upstream, trusting(upstream) as sluice:
        upstream.serve(cut_head)
        assert refusal(sluice, request())[0].status == 502
        sluice.access_line("refused", status="502", reason="TLS ended without close_notify")
        upstream.serve(cut_body)
        client = dial(sluice.port)
        client.send(request())
        assert client.head().status == 403
        client.expect_reset()  # a body without a length has nothing else to show it
        upstream.serve(whole_body)
        head, body = refusal(sluice, request())
        assert head.status == 403 and body == b"whole", body


@suite.check
def close_after_close():
    """Once both said Close, how TLS ends makes no difference to what is logged."""
    for end in (lambda server: server.sock.cut(), lambda server: server.close()):
        with far() as upstream, trusting(upstream) as sluice:
            client, server = pair(sluice, upstream)
            client.send_frame(CLOSE, close_payload(1000))
            server.expect_close(1000)
            server.send_frame(CLOSE, close_payload(1000))
            end(server)
            client.expect_close(1000)
            client.expect_end()
            client.close()
            line = sluice.access_line("close")
            assert (line["reason"], line["code"], line["closed_by"]) == ("close", "1000", "client")


@suite.check
def close_notify_with_the_last_data():
    """In one segment with what it ends, and without FIN, for which nobody has to wait."""
    def last_words(server):
        server.sock.encrypt(frame(TEXT, "last words"))
        server.sock.say_goodbye()
    with far() as upstream, trusting(upstream) as sluice:
        client, server = pair(sluice, upstream)
        last_words(server)
        client.expect(TEXT, "last words")
        client.expect_end()
        client.close()
        server.close()
        line = sluice.access_line("close", reason="connection ended without a close")
        assert line["closed_by"] == "upstream", line


@suite.check
def tls_over_a_unix_socket():
    """Where the URI has no host, the certificate must be localhost's."""
    with Sluice("route /\n  proxy_pass ws://127.0.0.1:1") as scratch:
        path = scratch.folder + "/up.sock"
        with far(unix_path=path) as upstream, trusting(upstream) as sluice:
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")


@suite.check
def half_closed_in_tls():
    """A client that sent close_notify and FIN still gets what was on its way (TLS 1.3)."""
    with far() as upstream:
        conf = (f"@tls_ca {authority().path}\n{site().lines}route /\n  proxy_pass {upstream.uri}")
        with Sluice(conf, wrap=client_wrap()) as sluice:
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "last words")
            client.finish()
            server.expect(TEXT, "last words")
            server.expect_end()
            server.send_frame(TEXT, "an answer")
            server.send_frame(CLOSE, close_payload(4001))
            client.expect(TEXT, "an answer")
            client.expect_close(4001)


suite.run()
