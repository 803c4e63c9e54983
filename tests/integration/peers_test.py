"""Which peer gets a session: balancing over all workers, peers that fail, fill up and come back, and
what `sluice -s status` shows of them."""
import collections
import os
import signal
import socket
import threading
import time

from balanced import Balanced, Greeting
from harness import Suite, wait_until
from wire import CLOSE, Upstream, answer_101, close_payload, refusal, refusing_socket, request

suite = Suite()


class Several:
    """So many Greetings."""

    def __init__(self, count):
        self.them = [Greeting() for _ in range(count)]

    def __enter__(self):
        return self.them

    def __exit__(self, *_):
        for each in self.them:
            each.close()


@suite.check
def a_peer_that_fails_is_out_and_comes_back():
    closed = refusing_socket()  # bound, and nobody listens
    with Greeting() as good:
        servers = [f"ws://127.0.0.1:{closed.getsockname()[1]}", good.uri]
        with Balanced(servers, "  fail_timeout 3s first=3s\n", workers=2) as sluice:
            kept = sluice.opened(20)
            dead, well = sluice.peers()
            assert dead["failures"] == 3, dead
            assert dead["times_out"] == 1 and dead["latest_failure"] == "error", dead
            assert (well["state"], well["sessions"]) == ("up", 20), well
            assert "is out for 3s, having failed max_fails 3 times" in sluice.errors()
            with Greeting(closed) as back:
                wait_until(lambda: sluice.open().answer.status == 101 and back.came > 0,
                           "a session tries it")
                wait_until(lambda: sluice.peers()[0]["state"] == "up", "it is up")
                assert "is back after" in sluice.errors()
                came = back.came
                sluice.opened(10)
                assert back.came >= came + 4, "it has its turn again"
            del kept


@suite.check
def while_all_are_out_all_are_tried():
    dead = [refusing_socket() for _ in range(2)]
    servers = [f"ws://127.0.0.1:{each.getsockname()[1]}" for each in dead]
    with Balanced(servers, "  fail_timeout 1h\n") as sluice:
        for _ in range(6):
            assert refusal(sluice, request())[0].status == 502
        assert [peer["state"] for peer in sluice.peers()] == ["out", "out"], sluice.peers()
        with Greeting(dead[1]) as back:
            sluice.opened(3)
            assert back.came == 3
            assert [peer["state"] for peer in sluice.peers()] == ["out", "up"], sluice.peers()


@suite.check
def next_peer_on_off_and_tries():
    dead = [refusing_socket() for _ in range(3)]
    servers = [f"ws://127.0.0.1:{each.getsockname()[1]}" for each in dead]
    with Balanced(servers, "  next_peer_on off\n  max_fails off\n") as sluice:
        assert refusal(sluice, request())[0].status == 502
        assert sum(peer["failures"] for peer in sluice.peers()) == 1
    with Balanced(servers, "  next_peer_tries 2\n  max_fails off\n") as sluice:
        assert refusal(sluice, request())[0].status == 502
        assert sum(peer["failures"] for peer in sluice.peers()) == 2


@suite.check
def invalid_answer_leads_on_where_it_is_named():
    def wrong(wire):
        wire.head()
        wire.send(answer_101("x" * 24))

    with Upstream() as bad, Greeting() as good:
        bad.serve(wrong, times=None)
        with Balanced([bad.uri, good.uri], "  next_peer_on invalid_answer\n") as sluice:
            sluice.opened(8)
            assert sluice.peers()[0]["latest_failure"] == "invalid_answer", sluice.peers()
            assert sluice.peers()[0]["state"] == "out", sluice.peers()


@suite.check
def a_full_peer_gets_no_session_and_a_backup_gets_it():
    with Greeting() as first, Greeting() as second:
        servers = [f"{first.uri} max_connections=3", f"{second.uri} backup max_connections=2"]
        with Balanced(servers) as sluice:
            clients = sluice.opened(5)
            assert (first.came, second.came) == (3, 2)
            assert refusal(sluice, request())[0].status == 503
            sluice.access_line("refused", reason="max_connections reached")
            first.wires[0].sock.shutdown(socket.SHUT_RDWR)
            clients[0].close()
            wait_until(lambda: sluice.sessions() == [2, 2], "one has gone")
            clients += sluice.opened(1)
            assert (first.came, second.came) == (4, 2)


@suite.check
def least_conn_over_all_workers_fills_up_who_comes():
    with Several(5) as peers:
        with Balanced([peer.uri for peer in peers[:4]], "  balance least_conn\n",
                      workers=4) as sluice:
            clients = sluice.opened(400)
            assert sluice.sessions() == [100] * 4, sluice.sessions()
            sluice.reload([peer.uri for peer in peers])
            clients += sluice.opened(100)
            assert sluice.sessions() == [100] * 5, sluice.sessions()
            clients += sluice.opened(50)
            spread = sluice.sessions()
            print(f"peers: least_conn, 4 workers, a fifth peer after 400 sessions: {spread}")
            assert max(spread) - min(spread) <= 1, spread


@suite.check
def a_key_has_its_peer_on_every_worker_and_after_a_reload():
    with Several(10) as peers:
        uris = [peer.uri for peer in peers]

        def where(sluice, key):
            before = [peer.came for peer in peers]
            client = sluice.open([("X-User", key)])
            assert client.answer.status == 101
            after = [peer.came for peer in peers]
            return [now - then for now, then in zip(after, before)].index(1)

        with Balanced(uris, "  balance hash $http_x_user\n", workers=3) as sluice:
            keys = [f"user-{i}" for i in range(200)]
            homes = {key: where(sluice, key) for key in keys}
            assert len(set(homes.values())) == 10, homes
            for _ in range(2):
                assert {key: where(sluice, key) for key in keys} == homes
            sluice.reload(list(reversed(uris)))
            assert {key: where(sluice, key) for key in keys} == homes
            gone = homes[keys[0]]
            sluice.reload([uri for i, uri in enumerate(uris) if i != gone])
            moved = [key for key in keys if where(sluice, key) != homes[key]]
            assert moved == [key for key in keys if homes[key] == gone], moved
            print(f"peers: hash, one of 10 peers gone: {len(moved)} of {len(keys)} keys moved")


@suite.check
def sessions_of_a_peer_that_is_gone_stay_or_go():
    for what in ("keep", "drain"):
        with Several(3) as peers:
            uris = [peer.uri for peer in peers]
            with Balanced(uris, f"  on_peer_gone {what}\n", top="@drain_timeout 1s",
                          workers=2) as sluice:
                clients = sluice.opened(30)
                # A worker writes its line when it gets to it, maybe behind the client's 101.
                wait_until(lambda: sum(line["event"] == "open" for line in sluice.access()) == 30,
                           "all 30 sessions in the log")
                gone = [int(line["client"].rsplit(":", 1)[1]) for line in sluice.access()
                        if line["event"] == "open" and line["peer"] == uris[1][5:]]
                assert 8 <= len(gone) <= 12, sluice.access()  # each worker shares out its own
                sluice.reload([uris[0], uris[2]])
                if what == "keep":
                    time.sleep(1.5)
                else:
                    for client in clients:
                        if client.sock.getsockname()[1] in gone:
                            client.expect(CLOSE, close_payload(1012))
                            client.send_frame(CLOSE, close_payload(1012))
                    wait_until(lambda: sum(line["event"] == "close" for line in sluice.access())
                               == len(gone), "they have gone")
                    sluice.access_line("close", reason="on_peer_gone", sent_client="1012")
                assert sum(sluice.sessions()) == 30 - len(gone), sluice.sessions()


def cookie_of(client):
    """NAME=VALUE and the attributes of the cookie that it was given; None where it got none."""
    cookie = client.answer.get("Set-Cookie")
    return None if cookie is None else tuple(cookie.split("; ", 1))


@suite.check
def a_cookie_leads_to_its_peer_while_that_is_up():
    with Several(4) as peers:
        servers = [peer.uri for peer in peers]
        with Balanced(servers, "  sticky cookie WHERE\n", workers=3) as sluice:
            sluice.may_be_killed = True
            clients = sluice.opened(60)
            given = [cookie_of(client) for client in clients]
            assert len({value for value, _ in given}) == 4, given
            assert {kind for _, kind in given} == {"Path=/; HttpOnly; SameSite=Lax"}, given
            homes = {}
            for value in {value for value, _ in given}:
                def home():
                    before = [peer.came for peer in peers]
                    client = sluice.open([("Cookie", f"other=1; {value}")])
                    assert client.answer.status == 101 and cookie_of(client) is None, client.answer
                    return [now - then for now, then
                            in zip([peer.came for peer in peers], before)].index(1)
                homes[value] = home()
                for _ in range(250):
                    assert home() == homes[value]
            assert sorted(homes.values()) == [0, 1, 2, 3]
            # Over reloads and workers' deaths; a forged one is not followed.
            os.kill(sluice.workers()[0], signal.SIGKILL)
            wait_until(lambda: len(sluice.workers()) == 3, "a worker")
            sluice.reload(list(reversed(servers)))
            for value, number in homes.items():
                came = peers[number].came
                sluice.open([("Cookie", value)])
                assert peers[number].came == came + 1
            forged = sluice.open([("Cookie", "WHERE=" + "0" * 32)])
            assert cookie_of(forged) is not None
            gone = homes.pop(given[0][0])
            sluice.reload([uri for i, uri in enumerate(servers) if i != gone])
            moved = sluice.open([("Cookie", given[0][0])])
            assert moved.answer.status == 101 and cookie_of(moved)[0] != given[0][0]


@suite.check
def counts_of_a_dead_worker_are_taken_back():
    with Greeting() as only:
        with Balanced([only.uri], workers=2) as sluice:
            sluice.may_be_killed = True
            clients = sluice.opened(200)
            assert sluice.sessions() == [200]
            own = collections.Counter(line["id"].split("-")[0] for line in sluice.access()
                                      if line["event"] == "open")
            victim = max(own, key=own.get)
            os.kill(sorted(sluice.workers())[int(victim)], signal.SIGKILL)
            begin = time.monotonic()
            wait_until(lambda: sluice.sessions() == [200 - own[victim]], "counts are right", 5)
            print(f"faults: counts of a dead worker's {own[victim]} sessions are right after "
                  f"{(time.monotonic() - begin) * 1000:.0f} ms")
            del clients


suite.run()
