"""JSON Web Tokens: who is let in, who is not and why, what goes upstream of a token, and when its
session ends. The tokens are PyJWT's where that makes them, and made by hand where it would not."""
import base64
import hashlib
import hmac
import json
import os
import signal
import tempfile
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness import SANITIZED, Sluice, Suite, wait_until
from plain_http import answer, get, plain
from wire import CLOSE, TEXT, Upstream, close_in_order, close_payload, dial, pair, request

suite = Suite()

FOLDER = tempfile.mkdtemp(prefix="sluice-jwt-")
SECRET = "0123456789abcdef0123456789abcdef"
LATE = 1.0 if not SANITIZED else 3.0  # seconds by which a session may outlive its token


def write(name, content, mode=0o600):
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(path, mode)
    return path


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = {"HS256": SECRET, "RS256": RSA, "ES256": EC, "EdDSA": ED}
FILES = {"HS256": write("hs256.key", SECRET + "\n")}
FILES.update({name: write(f"{name}.pem", public_pem(key), 0o644)
              for name, key in KEYS.items() if name != "HS256"})


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_by_hand(header, payload, secret=SECRET):
    """A token of HMAC with these bytes as header and claims, whatever they are."""
    text = base64url(header.encode()) + "." + base64url(payload.encode())
    return text + "." + base64url(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def token(claims=None, algorithm="HS256", key=None, **headers):
    return jwt.encode(claims or {}, key or KEYS[algorithm], algorithm=algorithm, headers=headers)


def bearer(text):
    return [("Authorization", "Bearer " + text)]


def conf(upstream, lines, top=""):
    return f"{top}\nroute /\n  proxy_pass {upstream.uri}\n  http on\n" + \
        "".join(f"  {line}\n" for line in lines)


def hs256(*lines):
    return ["auth_jwt bearer", f"auth_jwt_key HS256 {FILES['HS256']}", *lines]


def challenge(sluice, fields, target="/", data=None):
    """The status and WWW-Authenticate of an answer that refuses."""
    client = dial(sluice.port)
    client.send(data or request(target, fields=fields))
    head = client.head()
    client.close()
    return head.status, head.get("WWW-Authenticate")


def reasons(sluice, count):
    """Of so many requests that were refused."""
    def found():
        lines = [line for line in sluice.access() if line.get("event") == "refused"]
        return lines if len(lines) >= count else None
    return [line.get("reason") for line in wait_until(found, "lines")]


def assert_told_nowhere(sluice, *texts):
    with open(sluice.access_log, encoding="utf-8") as file:
        told = file.read() + sluice.errors()
    for text in texts:
        assert text not in told, text


@suite.check_each(*KEYS)
def each_algorithm_is_verified_with_its_key(algorithm):
    other = {"HS256": "x" * 32, "RS256": rsa.generate_private_key(65537, 2048),
             "ES256": ec.generate_private_key(ec.SECP256R1()),
             "EdDSA": ed25519.Ed25519PrivateKey.generate()}[algorithm]
    lines = ["auth_jwt bearer", f"auth_jwt_key {algorithm} {FILES[algorithm]}"]
    with Upstream() as upstream, Sluice(conf(upstream, lines)) as sluice:
        good = token({"sub": "al", "exp": time.time() + 600}, algorithm)
        client, server = pair(sluice, upstream, fields=bearer(good))
        client.send_frame(TEXT, b"in")
        server.expect(TEXT, b"in")
        close_in_order(client, server)
        head, _, rest = good.partition(".")
        claims, _, signature = rest.partition(".")
        forged = base64url(json.dumps({"sub": "root"}).encode())
        refused = [token({}, algorithm, other), f"{head}.{forged}.{signature}",
                   f"{head}.{claims}.", f"{head}.{claims}.{base64url(bytes(64))}"]
        for each in refused:
            assert challenge(sluice, bearer(each)) == (401, 'Bearer error="invalid_token"'), each
        assert reasons(sluice, 4) == ["token's signature is bad"] * 4
        for name in set(KEYS) - {algorithm}:
            assert challenge(sluice, bearer(token({}, name)))[0] == 401
        assert reasons(sluice, 7)[4:] == ["token's algorithm has no key"] * 3
        assert_told_nowhere(sluice, signature, claims, SECRET)


@suite.check
def claims_that_are_wrong_are_told_apart():
    now = time.time()
    good = {"iss": "https://issuer.example", "aud": ["chat", "mail"], "exp": now + 600, "nbf": now - 5}
    lines = hs256("auth_jwt_issuer https://issuer.example https://other.example",
                  "auth_jwt_audience chat", "auth_jwt_leeway 2s")
    wrong = [
        ({"iss": "https://issuer.example/"}, "token's issuer is another"),
        ({"iss": None}, "token's issuer is another"),
        ({"aud": "news"}, "token is for another audience"),
        ({"aud": None}, "token is for another audience"),
        ({"exp": now - 3}, "token has expired"),
        ({"exp": 0}, "token has expired"),
        ({"nbf": now + 60}, "token is not valid yet"),
    ]
    with Upstream() as upstream, Sluice(conf(upstream, lines)) as sluice:
        taken = [{}, {"iss": "https://other.example"}, {"aud": "chat"}, {"exp": None},
                 {"exp": now + 1e300}, {"exp": now + 600.5}]
        for change in taken:
            claims = {name: value for name, value in {**good, **change}.items() if value is not None}
            client, server = pair(sluice, upstream, fields=bearer(token(claims)))
            close_in_order(client, server)
        for change, _ in wrong:
            claims = {name: value for name, value in {**good, **change}.items() if value is not None}
            assert challenge(sluice, bearer(token(claims)))[0] == 401, change
        assert reasons(sluice, len(wrong)) == [reason for _, reason in wrong]


@suite.check
def tricks_with_the_header_are_of_no_use():
    public = public_pem(RSA).decode()
    lines = ["auth_jwt bearer", f"auth_jwt_key RS256 {FILES['RS256']}",
             f"auth_jwt_key HS256 {FILES['HS256']}"]
    algorithm, key = "token's algorithm has no key", "token's signature is bad"
    header, malformed = "token's header is malformed", "token is no JWS in compact form"
    claims = "token's claims are malformed"
    tricks = [
        (jwt.encode({"sub": "root"}, None, algorithm="none"), algorithm),
        (signed_by_hand('{"alg":"None"}', "{}"), algorithm),
        (signed_by_hand('{"alg":"HS256"}', "{}", public), key),
        (signed_by_hand('{"alg":"RS256"}', "{}", public), key),
        (signed_by_hand('{"alg":"HS256","alg":"none"}', "{}"), header),
        (signed_by_hand('{"alg":["HS256"]}', "{}"), header),
        (signed_by_hand('{"alg":"HS256","kid":7}', "{}"), header),
        (signed_by_hand('{"alg":"HS256","crit":["exp"],"exp":1}', "{}"),
         "token has crit, and no extension is known here"),
        (signed_by_hand('{"alg":"HS256"}', '{"sub":"a","sub":"b"}'), claims),
        (signed_by_hand('{"alg":"HS256"}', '{"exp":"tomorrow"}'), claims),
        (signed_by_hand('{"alg":"HS256"}', "[]"), claims),
        (signed_by_hand('{"alg":"HS256"}', '{"a":' * 17 + "1" + "}" * 17), claims),
        (token() + "=", malformed),
        (token() + ".e30", malformed),
        ("e30", malformed),
    ]
    with Upstream() as upstream, Sluice(conf(upstream, lines)) as sluice:
        for each, _ in tricks:
            assert challenge(sluice, bearer(each)) == (401, 'Bearer error="invalid_token"'), each
        assert reasons(sluice, len(tricks)) == [reason for _, reason in tricks]
        # A key's name is compared, never opened; addresses of keys are not gone to.
        for extra in ({"kid": "../../../../etc/passwd"}, {"kid": "/dev/null"},
                      {"jku": "http://127.0.0.1:1/", "jwk": {"kty": "oct", "k": "AA"}, "x5u": "x"}):
            client, server = pair(sluice, upstream, fields=bearer(token(**extra)))
            close_in_order(client, server)


@suite.check
def a_token_of_a_mebibyte_is_weighed_and_refused():
    lines = hs256()
    with Upstream() as upstream, \
            Sluice(conf(upstream, lines, "@max_header_size 1m")) as sluice:
        def took(text):
            begin = time.monotonic()
            status, _ = challenge(sluice, bearer(text))
            return status, time.monotonic() - begin
        large = 900_000 * 3 // 4
        header = '{"alg":"HS256","x":{' + ",".join(f'"{i}":0' for i in range(large // 10)) + "}}"
        payload = '{"sub":"' + "x" * large + '"}'
        nested = '{"a":' + "[" * large
        seconds = []
        for each in (signed_by_hand(header, "{}"), signed_by_hand('{"alg":"HS256"}', payload, "x"),
                     signed_by_hand('{"alg":"HS256"}', nested), "." * 900_000, "e" * 900_000):
            status, took_s = took(each)
            assert status == 401, status
            seconds.append(took_s)
        print("jwt: 900 KB of token are refused in " +
              ", ".join(f"{each * 1000:.0f} ms" for each in seconds))
        assert max(seconds) < (2 if SANITIZED else 0.5), seconds
        assert reasons(sluice, 5) == [
            "token's header is malformed", "token's signature is bad",
            "token's claims are malformed", "token is no JWS in compact form",
            "token is no JWS in compact form"]


@suite.check
def a_token_is_found_in_each_of_its_places():
    lines = ["auth_jwt bearer cookie=session query=Ticket subprotocol=jwt.",
             f"auth_jwt_key HS256 {FILES['HS256']}", "set_header X-User $jwt_claim_sub"]
    good, bad = token({"sub": "al"}), token({"sub": "al"}, key="y" * 32)
    with Upstream() as upstream, Sluice(conf(upstream, lines, "@log_query on")) as sluice:
        offer = [("Sec-WebSocket-Protocol", f"jwt.{good}, chat")]
        for target, fields, answer_fields in [
                ("/", bearer(good), ()), ("/", [("Cookie", f"a=b; session={good}")], ()),
                (f"/x?a=b&Ticket={good}", (), ()),
                ("/", offer, [("Sec-WebSocket-Protocol", "chat")])]:
            client, server = pair(sluice, upstream, target, fields, answer_fields)
            assert server.request.get("X-User") == "al"
            wanted = "chat" if answer_fields else None
            assert server.request.get("Sec-WebSocket-Protocol") == wanted
            assert client.answer.get("Sec-WebSocket-Protocol") == wanted
            close_in_order(client, server)
        # An entry that carries one is no subprotocol, wherever the token came from.
        client, server = pair(sluice, upstream,
                              fields=bearer(good) + [("Sec-WebSocket-Protocol", f"jwt.{bad}")])
        assert server.request.get("Sec-WebSocket-Protocol") is None
        close_in_order(client, server)
        # The first one counts: it is not passed over where it is bad.
        fields = bearer(bad) + [("Cookie", f"session={good}")]
        assert challenge(sluice, fields)[0] == 401
        assert challenge(sluice, [("Cookie", f"other={good}")]) == (401, "Bearer")
        assert challenge(sluice, [("Authorization", "Basic " + good)]) == (401, "Bearer")
        assert reasons(sluice, 3) == ["token's signature is bad", "no token", "no token"]
        assert any("Ticket=***" in line.get("target", "") for line in sluice.access())
        assert_told_nowhere(sluice, good, bad, good.split(".")[2])


@suite.check
def claims_travel_as_fields_and_no_client_writes_them():
    lines = hs256("set_header X-User $jwt_claim_sub", "set_header X-Roles $jwt_claim_roles",
                  "set_header X-Level level-$jwt_claim_level", "set_header X-Odd $jwt_claim_odd")
    forged = [("X-User", "root"), ("X-Roles", "all"), ("X-Level", "9"), ("X-Odd", "1")]
    with Upstream() as upstream, Sluice(conf(upstream, lines)) as sluice:
        claims = {"sub": "al", "roles": ["reader", "writer"], "level": 3, "odd": "a\r\nX-Admin: 1"}
        client, server = pair(sluice, upstream, fields=bearer(token(claims)) + forged)
        head = server.request
        assert head.all("X-User") == ["al"] and head.all("X-Roles") == ["reader,writer"]
        assert head.all("X-Level") == ["level-3"] and head.all("X-Odd") == []
        assert head.get("X-Admin") is None
        close_in_order(client, server)
        client, server = pair(sluice, upstream, fields=bearer(token({"roles": {"a": 1}})) + forged)
        for name, _ in forged:
            assert server.request.all(name) == [], name
        close_in_order(client, server)


@suite.check
def plain_requests_and_replies_want_one_as_well():
    with Upstream() as upstream:
        text = conf(upstream, hs256()).replace(
            "route /\n", "route /me\n  return 204\n" + "".join(f"  {line}\n" for line in hs256())
            + "route /open\n  return 200 open\nroute /\n")
        with Sluice(text) as sluice:
            def serve(wire):
                wire.head()
                wire.send(answer(b"served"))
            upstream.serve(serve)
            client = dial(sluice.port)
            head = get(client, fields=bearer(token()))
            assert (head.status, head.body) == (200, b"served"), head.line
            # Each request on a connection shows its own.
            client.send(plain())
            head = client.head()
            assert (head.status, head.get("WWW-Authenticate")) == (401, "Bearer")
            client.close()
            assert challenge(sluice, (), data=plain("/me"))[0] == 401
            client = dial(sluice.port)
            client.send(plain("/me", fields=bearer(token())))
            assert client.head().status == 204
            client.close()
            client = dial(sluice.port)
            assert get(client, "/open").status == 200
            client.close()


@suite.check
def a_session_ends_with_its_token():
    with Upstream() as upstream, Sluice(
            conf(upstream, hs256("auth_jwt_leeway off", "close_timeout 2s"))) as sluice:
        expires = time.time() + 1.5
        client, server = pair(sluice, upstream, fields=bearer(token({"exp": expires})))
        endless, its_server = pair(sluice, upstream, fields=bearer(token()))
        later, late_server = pair(sluice, upstream,
                                  fields=bearer(token({"exp": time.time() + 86_400 * 400})))
        client.send_frame(TEXT, b"before")
        server.expect(TEXT, b"before")
        client.expect_close(1008)
        late = time.time() - expires
        server.expect_close(1008)
        print(f"jwt: Close 1008 came {late * 1000:.0f} ms behind exp")
        assert -0.05 < late < LATE, late
        client.send_frame(CLOSE, close_payload(1008))
        server.send_frame(CLOSE, close_payload(1008))
        client.expect_end()
        server.close()
        client.close()
        line = sluice.access_line("close", reason="token has expired")
        assert (line["closed_by"], line["sent_client"], line["sent_upstream"]) == \
            ("proxy", "1008", "1008"), line
        for end, other in ((endless, its_server), (later, late_server)):
            end.send_frame(TEXT, b"on")
            other.expect(TEXT, b"on")
            close_in_order(end, other)
        sluice.wait_idle()


@suite.check
def the_leeway_and_the_code_are_the_routes():
    lines = hs256("auth_jwt_leeway 3s", "jwt_close_code 4001")
    with Upstream() as upstream, Sluice(conf(upstream, lines)) as sluice:
        expires = time.time() - 1.5  # within the leeway
        client, server = pair(sluice, upstream, fields=bearer(token({"exp": expires})))
        client.expect_close(4001)
        late = time.time() - expires - 3
        server.expect_close(4001)
        assert -0.05 < late < LATE, late
        client.close()
        server.close()


@suite.check
def a_reload_brings_other_keys():
    def key_set(secret, name):
        return json.dumps({"keys": [
            {"kty": "oct", "alg": "HS256", "kid": name, "k": base64url(secret.encode())},
            {"kty": "EC", "crv": "P-384", "kid": "of no use"}]})
    path = write("keys.jwks", key_set(SECRET, "1"))
    lines = ["auth_jwt bearer", f"auth_jwt_key jwks {path}"]
    other = "z" * 40
    with Upstream() as upstream, Sluice(conf(upstream, lines), workers=2) as sluice:
        old, new = token(kid="1"), token(key=other, kid="2")
        client, server = pair(sluice, upstream, fields=bearer(old))
        assert challenge(sluice, bearer(new))[0] == 401
        assert reasons(sluice, 1) == ["token names a key that is not known"]
        write("keys.jwks", key_set(other, "2"))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the reload")
        for _ in range(8):
            fresh, its_server = pair(sluice, upstream, fields=bearer(new))
            close_in_order(fresh, its_server)
        assert challenge(sluice, bearer(old))[0] == 401
        # Who is in stays in.
        client.send_frame(TEXT, b"still")
        server.expect(TEXT, b"still")
        close_in_order(client, server)
        # A set that is broken changes nothing.
        write("keys.jwks", '{"keys": []}')
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: "has no key that signatures" in sluice.errors(), "the refusal")
        fresh, its_server = pair(sluice, upstream, fields=bearer(new))
        close_in_order(fresh, its_server)
        assert_told_nowhere(sluice, other, SECRET)


suite.run()
