"""auth_basic: users and passwords, checked beside the traffic."""
import base64
import os
import signal
import tempfile
import threading
import time

from harness import Sluice, Suite, failed_start, wait_until
from wire import TEXT, Upstream, answer_101, close_in_order, dial, pair, request

suite = Suite()

# Solar Designer's test vectors for crypt_blowfish, of cost 5: passwords U*U, U*U* and U*V.
UU = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
UUU = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"


def users_file(text):
    with tempfile.NamedTemporaryFile("w", suffix=".htpasswd", delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o640)
    return file.name


USERS = users_file(f"ann:{UU}\nbob:{UUU}\n")
# 2^14 rounds: a check takes about a second.
SLOW = users_file(f"ann:{UU.replace('$05$', '$14$')}\n")


def credentials(user, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def conf(upstream, file=USERS, *lines):
    more = "".join(f"  {line}\n" for line in lines)
    return f'route /\n  proxy_pass {upstream.uri}\n  http on\n  auth_basic {file} "realm=the team"\n{more}'


def upgrading(upstream):
    def handle(wire):
        head = wire.head()
        upstream.asked.append(head)
        if head.get("Upgrade"):
            wire.send(answer_101(head.get("Sec-WebSocket-Key")))
            wire.rest()
        else:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    upstream.asked = []
    upstream.serve(handle, times=None)


def head_of(sluice, *fields):
    wire = dial(sluice.port)
    wire.send(request(fields=fields))
    head = wire.head()
    wire.close()
    return head


@suite.check
def who_names_user_and_password_comes_in():
    with Upstream() as upstream, Sluice(
            conf(upstream, USERS, "set_header X-User $remote_user")) as sluice:
        upgrading(upstream)
        for user, password, wanted in [("ann", "U*U", 101), ("bob", "U*U*", 101),
                                       ("ann", "U*U*", 401), ("bob", "", 401), ("eve", "U*U", 401),
                                       ("ann", "U*U", 101), ("", "", 401),
                                       ("ann", "x" * 300, 401)]:
            head = head_of(sluice, credentials(user, password))
            assert head.status == wanted, (user, password, head.line)
        assert [head.get("X-User") for head in upstream.asked] == ["ann", "bob", "ann"]
        line = sluice.access_line("refused", status="401")
        assert line["reason"] == "wrong user or password", line
        assert "auth_basic_queue" not in sluice.errors()  # a long password fills no queue
        told = sluice.errors() + str(sluice.access())
        assert "U*U" not in told and credentials("ann", "U*U")[1] not in told


@suite.check
def who_names_nobody_is_asked():
    with Upstream() as upstream, Sluice(conf(upstream)) as sluice:
        head = head_of(sluice)
        assert head.status == 401
        assert head.get("WWW-Authenticate") == 'Basic realm="the team", charset="UTF-8"'
        for value in ["Bearer abc", "Basic", "Basic !!", "Basic YTpi="]:
            assert head_of(sluice, ("Authorization", value)).status == 401, value
        twice = [credentials("ann", "U*U")] * 2
        assert head_of(sluice, *twice).status == 401


@suite.check
def plain_requests_and_replies_are_asked_for_it_as_well():
    with Upstream() as upstream, Sluice(
            f"route /in\n  return 204\n  auth_basic {USERS}\n" + conf(upstream)) as sluice:
        upgrading(upstream)
        for path, wanted in [("/in", 204), ("/", 200)]:
            for fields, status in [("", 401), ("{}: {}\r\n".format(*credentials("ann", "U*U")),
                                               wanted)]:
                wire = dial(sluice.port)
                wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
                assert wire.head().status == status, (path, fields)
                wire.close()


@suite.check
def nobody_waits_behind_a_check_that_takes_long():
    with Upstream() as upstream, Sluice(
            f"route /open\n  proxy_pass {upstream.uri}\n" + conf(upstream, SLOW)) as sluice:
        asking = dial(sluice.port)
        begun = time.monotonic()
        asking.send(request(fields=[credentials("ann", "wrong")]))
        client, server = pair(sluice, upstream, target="/open")
        for i in range(20):
            client.send_frame(TEXT, str(i))
            server.expect(TEXT, str(i))
        relayed = time.monotonic() - begun
        assert asking.head().status == 401
        checked = time.monotonic() - begun
        assert checked > 0.1, checked  # 2^14 rounds
        assert relayed < checked, (relayed, checked)
        close_in_order(client, server)


@suite.check
def a_full_queue_and_a_late_check_are_told():
    top = "@auth_basic_queue 1\n"
    with Upstream() as upstream, Sluice(
            top + conf(upstream, SLOW, "auth_basic_timeout 30s")) as sluice:
        waiting = dial(sluice.port)
        waiting.send(request(fields=[credentials("ann", "wrong")]))
        time.sleep(0.1)
        assert head_of(sluice, credentials("ann", "other")).status == 503
        wait_until(lambda: "auth_basic_queue has room for; raise it" in sluice.errors(), "the line")
        assert waiting.head().status == 401
    with Upstream() as upstream, Sluice(
            conf(upstream, SLOW, "auth_basic_timeout 50ms")) as sluice:
        assert head_of(sluice, credentials("ann", "wrong")).status == 503
        sluice.access_line("refused", reason="auth_basic_timeout")


@suite.check
def who_leaves_takes_no_place():
    with Upstream() as upstream, Sluice("@auth_basic_queue 2\n" + conf(upstream, SLOW)) as sluice:
        for _ in range(6):
            wire = dial(sluice.port)
            wire.send(request(fields=[credentials("ann", "wrong")]))
            time.sleep(0.05)
            wire.reset()
        wait_until(lambda: head_of(sluice, credentials("ann", "w")).status == 401, "a place", 20)
        sluice.wait_idle()


@suite.check
def right_passwords_are_remembered_until_the_file_says_otherwise():
    file = users_file(f"ann:{UU}\n")
    with Upstream() as upstream, Sluice(conf(upstream, file)) as sluice:
        upgrading(upstream)
        assert head_of(sluice, credentials("ann", "U*U")).status == 101
        with open(file, "w", encoding="ascii") as users:
            users.write(f"ann:{UUU}\n")
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the new conf")
        assert head_of(sluice, credentials("ann", "U*U")).status == 401
        assert head_of(sluice, credentials("ann", "U*U*")).status == 101


@suite.check
def a_reload_may_be_the_first_to_ask_for_passwords():
    with Upstream() as upstream, Sluice(
            f"route /\n  proxy_pass {upstream.uri}\n") as sluice:
        upgrading(upstream)
        client, server = dial(sluice.port), None
        client.send(request())
        assert client.head().status == 101
        with open(sluice.conf_path, encoding="utf-8") as text:
            sluice.write_conf(text.read() + f"  auth_basic {USERS}\n")
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the new conf")
        assert head_of(sluice).status == 401
        wait_until(lambda: head_of(sluice, credentials("ann", "U*U")).status == 101, "a check", 20)
        client.send_frame(TEXT, "still here")
        client.close()
        assert server is None


@suite.check
def several_workers_share_one_who_checks():
    with Upstream() as upstream, Sluice(conf(upstream), workers=3) as sluice:
        upgrading(upstream)
        got = []

        def ask(user, password):
            got.append(head_of(sluice, credentials(user, password)).status)
        threads = [threading.Thread(target=ask, args=("ann", "U*U" if i % 2 else "no"))
                   for i in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [101] * 20 + [401] * 20, got


@suite.check
def what_is_wrong_with_the_file_is_told():
    for text, wanted in [("ann:secret\n", "line 1: the hash is not of bcrypt"),
                         ("", "there is no user in it")]:
        told = failed_start(f"listen 127.0.0.1:1\nroute /\n  proxy_pass ws://127.0.0.1:1\n"
                            f"  auth_basic {users_file(text)}\n")
        assert wanted in told and "secret" not in told, told


suite.run()
for path in (USERS, SLOW):
    os.unlink(path)
