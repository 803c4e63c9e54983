"""What an upstream reaches with HTTP/2 that means no good, or none at this moment."""
import contextlib
import time

import http2_frames as h2
from harness import Suite, wait_until
from http2_frames import END_HEADERS, HEADERS
from http2_peer import Server, WEBSOCKETS, ask, before, get_through, opened, works
from plain_http import plain
from wire import dial

suite = Suite()


@suite.check
def a_server_that_lets_no_stream_be_open_costs_one_connection():
    with Server(settings=(WEBSOCKETS, (h2.MAX_CONCURRENT_STREAMS, 0))) as server, \
            before(server) as sluice:
        for _ in range(5):
            assert ask(sluice).head().status == 502
        time.sleep(0.2)
        assert len(server.connections) == 1, len(server.connections)


@suite.check
def interim_answers_without_end_are_an_answer_that_is_too_large():
    with Server() as server, before(server, "  max_fails off\n") as sluice:
        beside = opened(sluice, server)
        client = dial(sluice.port)
        client.send(plain())
        stream = server.next()
        head = stream.connection.pack(HEADERS, END_HEADERS, stream.number, b"\x08\x03100")
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for _ in range(100):
                stream.connection.send(head * 1_000)
        while (status := client.head().status) == 100:  # they go on until there are too many
            pass
        assert status == 502
        wait_until(lambda: "max_answer_header_size" in sluice.errors(),
                   lambda: sluice.errors()[-500:])
        works(*beside)
        assert time.monotonic() - begun < 30  # quadratic work took minutes


@suite.check
def goaway_with_the_end_right_behind_it_is_a_refusal_for_who_was_passed_over():
    with Server() as server, before(server) as sluice:
        live = opened(sluice, server)
        late = ask(sluice)
        passed_over = server.next()
        connection = passed_over.connection
        connection.say_goaway(live[1].number)
        connection.cut()
        again = server.next()
        assert again.connection is not connection
        again.answer()
        assert late.head().status == 101


@suite.check
def a_connection_that_is_lost_while_many_wait_for_it_is_one_failure():
    with Server(greets=False) as server, \
            before(server, "  max_fails 3\n") as sluice:
        clients = [ask(sluice) for _ in range(8)]
        first = server.wait_connections(1)
        wait_until(lambda: first.peer, "the proxy's settings")
        time.sleep(0.3)  # all have joined
        assert len(server.connections) == 1
        first.cut()
        for client in clients:
            assert client.head().status == 502
        server.greets = True
        get_through(sluice, server)
        assert "is out" not in sluice.errors(), sluice.errors()[-500:]


@suite.check
def pushes_end_the_connection():
    with Server() as server, before(server) as sluice:
        ask(sluice)
        stream = server.next()
        with contextlib.suppress(OSError):
            for number in range(2, 20_000, 2):
                stream.connection.frame(5, END_HEADERS, stream.number,
                                        number.to_bytes(4, "big") + b"\x88")
        stream.connection.wait_gone(h2.PROTOCOL_ERROR)


suite.run()
