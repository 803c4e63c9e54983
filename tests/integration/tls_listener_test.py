"""What clients meet on a TLS listener: certificates by name, ALPN, versions and suites, client
certificates, stapling, and everything that is refused."""
import ssl
import threading
import time

from harness import PATIENCE, Sluice, Suite, wait_until
from tls import Authority, SClient, authority, client_context, client_wrap, site, stranger
from wire import BINARY, PONG, TEXT, Reset, Upstream, dial, frame, pair, refusal, request

suite = Suite()

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
# Old things are offered only by a client that allows itself everything.
ANYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def secure(upstream, listener="", top="", route="", certificates=None, **options):
    """A sluice with a TLS listener in front of `upstream`."""
    lines = "".join(each.lines for each in certificates or (site(),))
    return Sluice(f"{top}\n{lines}{listener}\nroute /\n  proxy_pass {upstream.uri}\n{route}",
                  wrap=client_wrap(), **options)


def handshake(sluice, context=None, name="test.example", **options):
    """A client's TLS handshake; raises ssl.SSLError where it fails."""
    return dial(sluice.port, wrap=client_wrap(context, name, **options))


def refused_with(reason, sluice, context, name="test.example"):
    """The TLS handshake fails with that alert of sluice's. In TLS 1.3 an alert about the client's
    certificate comes behind it, with the first read."""
    try:
        handshake(sluice, context, name).fill()
    except ssl.SSLError as error:
        assert reason in str(error), f"{error} instead of {reason}"
        return
    raise AssertionError(f"no alert instead of {reason}")


def shown_to(sluice, name, version=None):
    """The common name of the certificate that is shown for a name; None sends none."""
    context = client_context(version=version)
    context.check_hostname = False
    subject = handshake(sluice, context, name).sock.tls.getpeercert()["subject"]
    return dict(entry[0] for entry in subject)["commonName"]


@suite.check
def certificates_are_chosen_by_name():
    issue = authority().issue
    certificates = (issue("/CN=default", ("DNS:default.example",)),
                    issue("/CN=wildcard", ("DNS:*.example.org",)),
                    issue("/CN=exact", ("DNS:chat.example.org", "DNS:chat.example.net")),
                    issue("/CN=only.example", ()))
    with Upstream() as upstream, secure(upstream, certificates=certificates) as sluice:
        for version in (V12, V13):
            for name, shown in ((None, "default"), ("default.example", "default"),
                                ("unknown.example", "default"), ("chat.example.org", "exact"),
                                ("CHAT.example.net", "exact"), ("a.example.org", "wildcard"),
                                ("a.b.example.org", "default"), ("example.org", "default"),
                                ("only.example", "only.example")):
                assert shown_to(sluice, name, version) == shown, (name, shown_to(sluice, name))
        with SClient(sluice.port, "-servername", "x.example.org") as client:
            assert "CN = wildcard" in client.wait_for("Verify return code: 0 (ok)")


@suite.check
def alpn_is_strict():
    with Upstream() as upstream, secure(upstream) as sluice:
        for version in (V12, V13):
            for offered, chosen in ((("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "http/1.1"),
                                    ((), None)):
                client = handshake(sluice, client_context(version=version, alpn=offered))
                assert client.sock.tls.selected_alpn_protocol() == chosen
                client.send(request())
                upstream.upgrade()
                assert client.head().status == 101
            for offered in (("h2",), ("http/1.0", "mqtt")):
                refused_with("alert no application protocol", sluice,
                             client_context(version=version, alpn=offered))
        sluice.access_line("refused", status=None, reason="no application protocol")
        with SClient(sluice.port, "-alpn", "h2,http/1.1") as client:
            client.wait_for("ALPN protocol: http/1.1")


@suite.check
def old_versions_are_refused():
    with Upstream() as upstream, secure(upstream) as sluice:
        for option in ("-tls1", "-tls1_1"):
            with SClient(sluice.port, option, "-cipher", ANYTHING) as client:
                client.wait_for("alert protocol version")
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            refused_with("ALERT_PROTOCOL_VERSION", sluice,
                         client_context(version=version, ciphers=ANYTHING))
        sluice.access_line("refused", status=None, reason="unsupported protocol")
        pair(sluice, upstream)


@suite.check
def weak_suites_are_refused():
    certificates = (site(), authority().issue("/CN=rsa", ("DNS:rsa.example",), kind="RSA"))
    good = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305")
    weak = ("AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256",
            "DHE-RSA-AES128-SHA", "ECDHE-ECDSA-NULL-SHA", "NULL-SHA256", "AECDH-AES128-SHA",
            "ADH-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8", "PSK-AES128-GCM-SHA256")
    with Upstream() as upstream, secure(upstream, certificates=certificates) as sluice:
        for suite_name in good + tuple(each.replace("ECDSA", "RSA") for each in good):
            name = "rsa.example" if "RSA" in suite_name else "test.example"
            context = client_context(version=V12, ciphers=suite_name + ":@SECLEVEL=0")
            assert handshake(sluice, context, name).sock.tls.cipher()[0] == suite_name
        for suite_name in weak:
            if suite_name.startswith("PSK"):
                continue  # offered only with a key that both know
            for name in ("test.example", "rsa.example"):
                refused_with("ALERT_HANDSHAKE_FAILURE", sluice,
                             client_context(version=V12, ciphers=suite_name + ":@SECLEVEL=0"), name)
        sluice.access_line("refused", status=None, reason="no shared cipher")


@suite.check
def groups():
    """X25519 and P-256, nothing else (Mozilla's list without P-384)."""
    # In TLS 1.2 a certificate's own curve must be among the client's, too: hence RSA.
    rsa = authority().issue(kind="RSA")
    with Upstream() as upstream, secure(upstream, certificates=(rsa,)) as sluice:
        for version in ("-tls1_2", "-tls1_3"):
            for group, line in (("X25519", "X25519"), ("P-256", "prime256v1")):
                with SClient(sluice.port, version, "-groups", group) as client:
                    assert line in client.wait_for("Verify return code: 0"), client.output
            with SClient(sluice.port, version, "-groups", "P-521") as client:
                client.wait_for("alert handshake failure")


@suite.check
def protocols_and_ciphers_of_the_conf():
    one = "ECDHE-ECDSA-AES256-GCM-SHA384"
    with Upstream() as upstream:
        with secure(upstream, "  tls_protocols TLSv1.3\n") as sluice:
            assert handshake(sluice).sock.tls.version() == "TLSv1.3"
            refused_with("ALERT_PROTOCOL_VERSION", sluice, client_context(version=V12))
        with secure(upstream, "  tls_protocols TLSv1.2\n") as sluice:
            assert handshake(sluice).sock.tls.version() == "TLSv1.2"
            refused_with("ALERT_PROTOCOL_VERSION", sluice, client_context(version=V13))
        ciphers = f"  tls_ciphers {one}:TLS_CHACHA20_POLY1305_SHA256\n"
        with secure(upstream, ciphers) as sluice:
            for version, chosen in ((V12, one), (V13, "TLS_CHACHA20_POLY1305_SHA256")):
                client = handshake(sluice, client_context(version=version))
                assert client.sock.tls.cipher()[0] == chosen
            refused_with("ALERT_HANDSHAKE_FAILURE", sluice, client_context(
                version=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))


@suite.check
def no_renegotiation_and_no_compression():
    with Upstream() as upstream, secure(upstream) as sluice:
        with SClient(sluice.port, "-tls1_2", "-comp", "-legacy_renegotiation") as client:
            client.wait_for("Verify return code: 0")
            assert "Compression: NONE" in client.output and "Expansion: NONE" in client.output
            client.type("R\n")
            client.wait_for("no renegotiation")
        # A live session does not suffer from one who asks.
        client, server = pair(sluice, upstream)
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")


@suite.check
def no_early_data():
    with Upstream() as upstream, secure(upstream) as sluice:
        with SClient(sluice.port, "-tls1_3") as client:
            client.wait_for("Verify return code: 0")
            client.type("nonsense\n\n")  # answered and ended; what comes late is printed by then
            assert "Max Early Data: 0" in client.wait_for("Max Early Data:")


@suite.check
def key_updates_in_the_middle():
    """TLS 1.3 has them instead of renegotiation; an answer is due and data goes on."""
    with Upstream() as upstream, secure(upstream) as sluice:
        with SClient(sluice.port, "-tls1_3") as client:
            client.wait_for("Verify return code: 0")
            client.type("K\n")
            client.wait_for("KEYUPDATE")
            client.type("GET / HTTP/1.0\n\n")
            client.wait_for("HTTP/1.1 400")


@suite.check
def client_certificates_demanded():
    good = authority().issue("/O=Sluice, Inc./CN=device 7")
    foreign = stranger().issue("/CN=device 7")
    expired = authority().issue("/CN=device 6", expired=True)
    listener = f"  tls_client_ca {authority().path}\n  tls_verify_client on\n"
    route = '  set_header X-Device "<$tls_client_subject>"'
    with Upstream() as upstream, secure(upstream, listener, route=route) as sluice:
        for version, missing in ((V12, "ALERT_HANDSHAKE_FAILURE"),
                                 (V13, "ALERT_CERTIFICATE_REQUIRED")):
            refused_with(missing, sluice, client_context(version=version))
            refused_with("ALERT_UNKNOWN_CA", sluice,
                         client_context(version=version, certificate=foreign))
            refused_with("ALERT_CERTIFICATE_EXPIRED", sluice,
                         client_context(version=version, certificate=expired))
            client, server = pair(sluice, upstream, fields=[("X-Device", "forged")], wrap=client_wrap(
                client_context(version=version, certificate=good)))
            assert server.request.all("X-Device") == ["<CN=device 7,O=Sluice\\, Inc.>"]
            client.reset()
        for reason in ("peer did not return a certificate",
                       "unable to get local issuer certificate", "certificate has expired"):
            sluice.access_line("refused", status=None, reason=reason)
        with SClient(sluice.port, "-cert", good.path, "-key", good.key) as client:
            assert "CN = sluice test authority" in client.wait_for("Acceptable client certificate CA")


@suite.check
def client_certificates_permitted():
    good = authority().issue("/CN=device 7")
    foreign = stranger().issue("/CN=device 7")
    listener = f"  tls_client_ca {authority().path}\n  tls_verify_client optional\n"
    route = "  set_header X-Device $tls_client_subject"
    forged = [("X-Device", "CN=device 7")]
    with Upstream() as upstream, secure(upstream, listener, route=route) as sluice:
        for version in (V12, V13):
            _, server = pair(sluice, upstream, fields=forged,
                             wrap=client_wrap(client_context(version=version)))
            assert server.request.all("X-Device") == [], "the client's own word passes for ours"
            _, server = pair(sluice, upstream, fields=forged, wrap=client_wrap(
                client_context(version=version, certificate=good)))
            assert server.request.all("X-Device") == ["CN=device 7"]
            refused_with("ALERT_UNKNOWN_CA", sluice,
                         client_context(version=version, certificate=foreign))


@suite.check
def subjects_survive_resumption():
    """A resumed session has no certificate on the wire; its subject is that of the ticket."""
    good = authority().issue("/CN=device 7")
    listener = f"  tls_client_ca {authority().path}\n  tls_verify_client on\n"
    route = "  set_header X-Device $tls_client_subject"
    with Upstream() as upstream, secure(upstream, listener, route=route) as sluice:
        for version in (V12, V13):
            context = client_context(version=version, certificate=good)
            client, server = pair(sluice, upstream, wrap=client_wrap(context))
            assert server.request.get("X-Device") == "CN=device 7"
            session = client.sock.tls.session
            client, server = pair(sluice, upstream, wrap=client_wrap(context, session=session))
            assert client.sock.tls.session_reused
            assert server.request.get("X-Device") == "CN=device 7"


@suite.check
def variables_of_tls():
    route = ('  set_header X-TLS "$scheme $tls_version $tls_cipher"\n'
             "  set_header X-Name $tls_server_name")
    with Upstream() as upstream, secure(upstream, route=route) as sluice:
        for version, text in ((V12, "TLSv1.2"), (V13, "TLSv1.3")):
            client, server = pair(sluice, upstream, fields=[("X-TLS", "forged")],
                                  wrap=client_wrap(client_context(version=version)))
            cipher = client.sock.tls.cipher()[0]
            assert server.request.all("X-TLS") == [f"https {text} {cipher}"], server.request.raw
            assert server.request.all("X-Name") == ["test.example"]


@suite.check
def stapling():
    named = authority().issue("/CN=named", ("DNS:named.example",))
    lines = [f"{each.lines}  tls_stapling_file {authority().ocsp_response(each)}\n"
             for each in (site(), named)]
    plain = authority().issue("/CN=plain", ("DNS:plain.example",))
    with Upstream() as upstream, Sluice(
            f"{''.join(lines)}{plain.lines}\nroute /\n  proxy_pass {upstream.uri}") as sluice:
        for version in ("-tls1_2", "-tls1_3"):
            for name in ("test.example", "named.example"):
                with SClient(sluice.port, version, "-status", "-servername", name) as client:
                    client.wait_for("Verify return code: 0")
                    assert "OCSP Response Status: successful" in client.output, client.output
                    assert "Cert Status: good" in client.output
            with SClient(sluice.port, version, "-status", "-servername", "plain.example") as client:
                client.wait_for("Verify return code: 0")
                assert "OCSP response: no response sent" in client.output, client.output


@suite.check
def tls_handshakes_have_a_deadline():
    """client_header_timeout covers them, too; a connection without a byte of a request is closed in
    silence, in TLS as well."""
    with Upstream() as upstream, secure(upstream, "  client_header_timeout 1s\n") as sluice:
        silent, begun = dial(sluice.port), dial(sluice.port)
        begun.send(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that never goes on
        done = handshake(sluice)
        partial = handshake(sluice)
        partial.send(b"GET / HT")
        assert partial.head().status == 408
        assert partial.rest().startswith(b"408 Request Timeout\n")
        assert begun.rest() == b""
        assert silent.rest() == b""
        done.expect_end()
        silent.close()
        sluice.access_line("refused", status=None, detail="client_header_timeout 1s",
                           reason="client_header_timeout in the TLS handshake")
        sluice.access_line("refused", status="408")
        dial(sluice.port).close()  # one that leaves by itself, as health checks do, is no fault
        sluice.wait_idle()
        assert sluice.errors().count("sent nothing within client_header_timeout 1s") == 2
        refused = [line for line in sluice.access() if line["event"] == "refused"]
        assert len(refused) == 2, refused


@suite.check
def dripping_hellos_meet_the_deadline():
    """The deadline is absolute: a byte now and then does not move it."""
    with Upstream() as upstream, secure(upstream, "  client_header_timeout 1s\n") as sluice:
        client = dial(sluice.port)
        client.send(b"\x16\x03\x01\x02\x00")
        try:
            for _ in range(100):
                client.send(b"\0")
                time.sleep(0.1)
        except OSError:
            pass
        else:
            raise AssertionError("ten seconds of dripping were borne")
        sluice.access_line("refused", reason="client_header_timeout in the TLS handshake")


@suite.check
def plain_http_on_a_tls_port():
    with Upstream() as upstream, secure(upstream) as sluice:
        for data in (request(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n"):
            client = dial(sluice.port)
            client.send(data)
            head = client.head()
            assert head.status == 400, head.raw
            assert b"TLS" in client.rest()
        sluice.access_line("refused", status="400", reason="plain HTTP on a TLS port")
        for garbage in (b"\0" * 40, b"ssh-2.0-client\r\n", b"\x80\x2e\x01\x00\x02" * 10):
            client = dial(sluice.port)
            client.send(garbage)
            try:
                assert b"HTTP" not in client.rest()
            except Reset:
                pass
        pair(sluice, upstream)


@suite.check
def revoked_clients():
    """By the CRL of an authority of its own; a ticket from before its CRL opens nothing."""
    issuer = Authority("clients' authority")
    good, gone = issuer.issue("/CN=good"), issuer.issue("/CN=gone")
    for crl, outcome in ((issuer.revocations(), "served"), (issuer.revocations(gone), "refused")):
        listener = (f"  tls_client_ca {issuer.path}\n  tls_verify_client on\n  tls_crl {crl}\n")
        with Upstream() as upstream, secure(upstream, listener) as sluice:
            pair(sluice, upstream, wrap=client_wrap(client_context(certificate=good)))[0].reset()
            if outcome == "served":
                pair(sluice, upstream, wrap=client_wrap(client_context(certificate=gone)))
                continue
            refused_with("ALERT_CERTIFICATE_REVOKED", sluice, client_context(certificate=gone))
            sluice.access_line("refused", status=None, reason="certificate revoked")


@suite.check
def forwarded_proto_is_https():
    with Upstream() as upstream, secure(upstream) as sluice:
        _, server = pair(sluice, upstream, fields=[("X-Forwarded-Proto", "http")])
        assert server.request.all("X-Forwarded-Proto") == ["https"]
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}") as sluice:
        _, server = pair(sluice, upstream, fields=[("X-Forwarded-Proto", "https")])
        assert server.request.all("X-Forwarded-Proto") == ["http"]


@suite.check
def overload_is_told_inside_tls():
    with Upstream() as upstream, secure(upstream, top="@worker_connections 2") as sluice:
        held = [pair(sluice, upstream) for _ in range(2)]
        head, _ = refusal(sluice, request())
        assert head.status == 503 and head.get("Retry-After"), head.raw
        sluice.access_line("refused", status="503", reason="worker_connections reached")
        held[0][0].send_frame(BINARY, b"still here")
        held[0][1].expect(BINARY, b"still here")


@suite.check
def crowd_beyond_worker_connections():
    """So many that they are not even told so: whoever is not is closed, and nobody else suffers."""
    def fate():
        try:
            client = dial(sluice.port, wrap=client_wrap())
            client.send(request())
            statuses.append(client.head().status)
        except (OSError, Reset, EOFError):
            statuses.append(0)
    statuses = []
    with Upstream() as upstream, secure(upstream, top="@worker_connections 2") as sluice:
        held = [pair(sluice, upstream) for _ in range(2)]
        crowd = [threading.Thread(target=fate, daemon=True) for _ in range(60)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join(PATIENCE)
        assert len(statuses) == 60 and set(statuses) <= {503, 0}, statuses
        assert 503 in statuses
        held[0][0].send_frame(BINARY, b"still here")
        held[0][1].expect(BINARY, b"still here")


@suite.check
def refusals_are_whole_inside_tls():
    """Error answers and an upstream's own come whole, and end with close_notify."""
    body = b"b" * 100_000
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n" + body

    def forbid(wire):
        wire.head()
        wire.send(answer)
        wire.close()
    with Upstream() as upstream, secure(upstream) as sluice:
        head, received = refusal(sluice, request(drop=("Host",)))
        assert head.status == 400 and received.startswith(b"400 "), received
        upstream.serve(forbid)
        head, received = refusal(sluice, request())
        assert head.status == 403 and received == body, (head.raw, len(received))


@suite.check
def ends_are_told_apart():
    """close_notify is a clean end; FIN without it, an alert and RST say in the log what they are."""
    with Upstream() as upstream, secure(upstream) as sluice:
        def end(act, reason):
            client, server = pair(sluice, upstream)
            client.send_frame(PONG, b"")
            server.expect(PONG, b"")
            act(client)
            server.expect_end()
            server.close()
            line = sluice.access_line("close", reason=reason)
            assert line["closed_by"] == "client" and "code" not in line, line
        end(lambda client: client.finish(), "connection ended without a close")
        end(lambda client: client.sock.cut(), "TLS ended without close_notify")
        end(lambda client: client.reset(), "connection reset by peer")
        end(lambda client: client.sock.sock.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32),
            "decryption failed or bad record mac")
        end(lambda client: client.sock.sock.sendall(b"plain text, not a record"),
            "wrong version number")


@suite.check
def truncation_inside_a_frame_aborts():
    with Upstream() as upstream, secure(upstream) as sluice:
        for end in (lambda client: client.sock.cut(), lambda client: client.finish()):
            client, server = pair(sluice, upstream)
            whole = frame(BINARY, b"x" * 1000, True)
            client.send(whole[:600])
            server.take(600)
            end(client)
            server.expect_reset()


@suite.check
def early_frames_come_with_the_request():
    """Request and first frames are one record."""
    with Upstream() as upstream, secure(upstream) as sluice:
        client = handshake(sluice)
        client.send(request() + frame(TEXT, "early", True))
        server = upstream.upgrade()
        server.expect(TEXT, "early")
        assert client.head().status == 101


suite.run()
