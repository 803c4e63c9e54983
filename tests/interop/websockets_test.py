# Python's websockets as client and as server through the real binary:
#   /usr/bin/python3 websockets_test.py BIN_FOLDER [TLSv1.2|TLSv1.3]
# With a version, both legs are in that version of TLS.
import asyncio
import contextlib
import http
import os
import ssl
import sys
import warnings

sys.dont_write_bytecode = True  # the source tree stays as it is
warnings.simplefilter("ignore", DeprecationWarning)  # newer versions deprecate these modules

from certificates import Certificates  # noqa: E402
from harness import NOBODYS_PORT, Sluice, Tally, bin_folder, expect_equal  # noqa: E402

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatusCode
    from websockets.legacy.client import connect
    from websockets.legacy.server import serve
except ImportError:
    sys.exit(f"{sys.executable} has no websockets: `.ci/deps test` installs python3-websockets "
             "for /usr/bin/python3")

MEGABYTE = 1024 * 1024
WORDS = "Schleuse, écluse, шлюз, 水門, 🚪 "
LONG_REASON = "r" * 123
ENDINGS = [(1000, "bye"), (1001, ""), (1003, "not in this language"), (1011, "Schiffbruch ⚓"),
           (3000, "a"), (4999, LONG_REASON)]
TLS_VERSION = sys.argv[2] if len(sys.argv) > 2 else None


def some_text(count):
    return WORDS * (count // len(WORDS.encode()) + 1)


def some_bytes(count):
    """Bytes that compress to about half."""
    data = bytearray(os.urandom(count))
    data[::2] = bytes(len(data[::2]))
    return bytes(data)


class Server:
    """Gives its end of each connection to whoever accepts, or echoes."""

    def __init__(self):
        self.waiting = asyncio.Queue()

    @classmethod
    async def start(cls, echo=False, **options):
        server = cls()
        handler = server._echo if echo else server._keep
        settings = {"max_size": None, "ping_interval": None, "compression": None, **options}
        server.listening = await serve(handler, "127.0.0.1", 0, **settings)
        server.port = server.listening.sockets[0].getsockname()[1]
        scheme = "wss" if options.get("ssl") else "ws"
        server.uri = f"{scheme}://127.0.0.1:{server.port}"
        return server

    async def accept(self):
        return await asyncio.wait_for(self.waiting.get(), 15)

    async def stop(self):
        self.listening.close()
        await self.listening.wait_closed()

    async def _keep(self, end):
        self.waiting.put_nowait(end)
        await end.wait_closed()

    async def _echo(self, end):
        with contextlib.suppress(ConnectionClosed):  # every code but 1000 and 1001 is raised
            async for message in end:
                await end.send(message)


class Stage:
    """One sluice with every route that the checks need, and the servers behind it."""

    async def start(self):
        certificates = Certificates() if TLS_VERSION else None
        secured = {"ssl": certificates.server_context(TLS_VERSION)} if TLS_VERSION else {}
        self.trusting = {"ssl": certificates.client_context(TLS_VERSION)} if TLS_VERSION else {}
        refusal = (http.HTTPStatus.FORBIDDEN, [("X-Why", "not you")], b"no way through here\n")
        self.servers = {
            "plain": await Server.start(extra_headers={"X-Served-By": "lock"}, **secured),
            "deflate": await Server.start(compression="deflate", **secured),
            "echo": await Server.start(echo=True, compression="deflate", **secured),
            "choosy": await Server.start(subprotocols=["mqtt", "chat"], **secured),
            "guarded": await Server.start(process_request=lambda *_: refusal, **secured),
        }
        routes = [(f"/{name}", server.uri) for name, server in self.servers.items()]
        self.sluice = Sluice(os.path.join(bin_folder(most_arguments=2), "sluice"), [
            *routes,
            ("/headers", self.servers["plain"].uri, 'set_header X-Gate "north lock"'),
            ("/nobody", NOBODYS_PORT),
        ], top=[certificates.trust()] if TLS_VERSION else [],
            listen=certificates.listen("server") if TLS_VERSION else [])
        self.sluice.__enter__()

    def url(self, target, user=""):
        scheme = "wss" if TLS_VERSION else "ws"
        return f"{scheme}://{user}127.0.0.1:{self.sluice.port}{target}"

    async def connect(self, target, server=None, user="", **options):
        settings = {"max_size": None, "ping_interval": None, "compression": None,
                    "open_timeout": 15, **self.trusting, **options}
        client = await connect(self.url(target, user), **settings)
        return client, await self.servers[server or target[1:]].accept()

    async def stop(self):
        self.sluice.stop()
        for server in self.servers.values():
            await server.stop()


async def receive(end):
    return await asyncio.wait_for(end.recv(), 15)


async def closed(end):
    await asyncio.wait_for(end.wait_closed(), 15)
    return end.close_code, end.close_reason


async def close_in_order(client, server):
    await client.close(1000, "done")
    expect_equal(await closed(server), (1000, "done"), "close at the server")
    expect_equal(client.close_code, 1000, "close at the client")


async def exchange(client, server, message):
    for source, target in ((client, server), (server, client)):
        # A message that no socket buffer holds is only sent while somebody receives.
        _, got = await asyncio.gather(source.send(message), receive(target))
        expect_equal(got, message, "message")


async def exchange_kinds(stage, client_compresses, server_compresses):
    route = "/deflate" if server_compresses else "/plain"
    offered = "deflate" if client_compresses else None
    client, server = await stage.connect(route, compression=offered)
    agreed = ["permessage-deflate"] if client_compresses and server_compresses else []
    for end in (client, server):
        expect_equal([extension.name for extension in end.extensions], agreed, "extensions")
    for size in (0, 1, 100, 1000, 70_000, MEGABYTE):
        await exchange(client, server, some_text(size) if size > 0 else "")
    for size in (0, 1, 125, 126, 127, 65_535, 65_536, MEGABYTE):
        await exchange(client, server, some_bytes(size))
    for _ in range(20):
        await exchange(client, server, "the same again and again")
    await close_in_order(client, server)


async def exchange_fragments(stage, route, compression):
    client, server = await stage.connect(route, compression=compression)
    texts = ["", some_text(MEGABYTE // 2), "middle ", some_text(10)]
    pieces = [some_bytes(70_000), some_bytes(1), b"", some_bytes(200_000)]
    many = [bytes([i]) * (i + 1) for i in range(200)]

    async def in_turn(source, fragments, pongs):
        for index, fragment in enumerate(fragments):
            if index in (1, 2):
                pongs.append(await source.ping())
            yield fragment

    for source, target in ((client, server), (server, client)):
        for fragments in (texts, pieces, many):
            pongs = []
            sending = source.send(in_turn(source, fragments, pongs))
            _, got = await asyncio.gather(sending, receive(target))
            expect_equal(got, fragments[0][:0].join(fragments), "fragments")
            await asyncio.wait_for(asyncio.gather(*pongs), 15)
    await close_in_order(client, server)


async def ping_both_ways(stage):
    client, server = await stage.connect("/plain")
    for source in (client, server):
        for payload in (b"", b"are you there?", b"p" * 125):
            answered = await source.ping(payload)
            await asyncio.wait_for(answered, 15)
        await source.pong(b"nobody asked")
    await exchange(client, server, "still well")
    await close_in_order(client, server)


async def choose_subprotocols(stage):
    for offered, chosen in ((["other", "mqtt"], "mqtt"), (["chat"], "chat"), (["other"], None)):
        client, server = await stage.connect("/choosy", subprotocols=offered)
        expect_equal(client.subprotocol, chosen, "subprotocol of the client")
        expect_equal(server.subprotocol, chosen, "subprotocol of the server")
        seen = server.request_headers["Sec-WebSocket-Protocol"]
        expect_equal([word.strip() for word in seen.split(",")], offered, "offered subprotocols")
        await close_in_order(client, server)


async def exchange_large(stage, route, compression):
    client, server = await stage.connect(route, compression=compression)
    await exchange(client, server, some_bytes(8 * MEGABYTE))
    await close_in_order(client, server)


async def close_from_both_sides(stage):
    for ending in ENDINGS:
        for client_first in (True, False):
            ends = await stage.connect("/plain")
            first, second = ends if client_first else reversed(ends)
            await first.close(*ending)
            expect_equal(await closed(second), ending, "close at the second")
            expect_equal(first.close_code, ending[0], "close at the first")


async def lose_either_side(stage):
    for client_first in (True, False):
        ends = await stage.connect("/plain")
        first, second = ends if client_first else reversed(ends)
        await first.send("last words")
        first.transport.close()
        expect_equal(await receive(second), "last words", "message")
        try:
            await receive(second)
        except ConnectionClosed:
            expect_equal((await closed(second))[0], 1006, "close code")
        else:
            raise AssertionError("a message came after the end")


async def echo_on_many(stage, count):
    async def one(index):
        compression = "deflate" if index % 2 == 0 else None
        async with connect(stage.url("/echo"), compression=compression, open_timeout=30,
                           ping_interval=None, **stage.trusting) as client:
            for turn in range(5):
                text = f"{index}/{turn} " + "." * (index * turn * 10)
                await client.send(text)
                expect_equal(await receive(client), text, "echo")
            await client.close(4000 + index)
            expect_equal(client.close_code, 4000 + index, "close code")

    await asyncio.gather(*(one(index) for index in range(count)))


async def see_who_asks(stage):
    client, server = await stage.connect(
        "/headers/deep?a=1&b=%20x", server="plain", user="foo:bar@", origin="http://page.example",
        extra_headers=[("X-Forwarded-For", "203.0.113.7"), ("X-Gate", "mine"),
                       ("X-Many", "one"), ("X-Many", "two"), ("Cookie", "a=b; c=d")])
    fields = server.request_headers
    expect_equal(server.path, "/headers/deep?a=1&b=%20x", "target")
    expect_equal(fields.get_all("X-Forwarded-For"), ["127.0.0.1"], "X-Forwarded-For")
    expect_equal(fields.get_all("X-Forwarded-Proto"), ["https" if TLS_VERSION else "http"],
                 "X-Forwarded-Proto")
    expect_equal(fields.get_all("X-Gate"), ["north lock"], "X-Gate")
    expect_equal(fields.get_all("X-Many"), ["one", "two"], "X-Many")
    expect_equal(fields["Cookie"], "a=b; c=d", "Cookie")
    expect_equal(fields["Origin"], "http://page.example", "Origin")
    expect_equal(fields["Authorization"], "Basic Zm9vOmJhcg==", "Authorization")
    # Toward a server in TLS the name is the server's own (core/DESIGN.md section 7).
    host = stage.servers["plain"] if TLS_VERSION else stage.sluice
    expect_equal(fields["Host"], f"127.0.0.1:{host.port}", "Host")
    expect_equal("websockets" in fields["User-Agent"], True, "User-Agent")
    expect_equal(client.response_headers["X-Served-By"], "lock", "X-Served-By")
    await close_in_order(client, server)


async def be_refused(stage):
    for target, status in (("/guarded", 403), ("/nobody", 502), ("/no/such/route", 404)):
        try:
            await connect(stage.url(target), open_timeout=15, **stage.trusting)
        except InvalidStatusCode as refusal:
            expect_equal(refusal.status_code, status, f"status of {target}")
            if status == 403:
                expect_equal(refusal.headers["X-Why"], "not you", "X-Why")
        else:
            raise AssertionError(f"{target} was accepted")


async def agree_on_tls(stage):
    """Each of the two workers has a session to resume once it was at the server."""
    full = 0
    for _ in range(8):
        ends = await stage.connect("/plain")
        near, far = [end.transport.get_extra_info("ssl_object") for end in ends]
        expect_equal([near.version(), far.version()], [TLS_VERSION] * 2, "versions")
        expect_equal(far.selected_alpn_protocol(), None, "ALPN of a server that has none")
        full += 0 if far.session_reused else 1
        await close_in_order(*ends)
    expect_equal(full <= 2, True, f"{full} full TLS handshakes of 8")


async def distrust(stage):
    try:
        await connect(stage.url("/plain"), open_timeout=15)
    except ssl.SSLCertVerificationError as error:
        expect_equal(error.verify_message, "unable to get local issuer certificate", "reason")
    else:
        raise AssertionError("it was trusted without its authority")


def all_checks(stage):
    if TLS_VERSION:
        yield f"both legs in {TLS_VERSION}, resumed by sluice", agree_on_tls(stage)
        yield "a client without the authority", distrust(stage)
    on_off = {True: "on", False: "off"}
    for client in (False, True):
        for server in (False, True):
            name = f"compression {on_off[client]} at the client, {on_off[server]} at the server"
            yield name, exchange_kinds(stage, client, server)
    yield "fragments", exchange_fragments(stage, "/plain", None)
    yield "fragments with compression", exchange_fragments(stage, "/deflate", "deflate")
    yield "ping and pong both ways", ping_both_ways(stage)
    yield "subprotocols", choose_subprotocols(stage)
    yield "8 MiB in one message", exchange_large(stage, "/plain", None)
    yield "8 MiB in one message with compression", exchange_large(stage, "/deflate", "deflate")
    yield "close codes and reasons both ways", close_from_both_sides(stage)
    yield "either side goes without a close", lose_either_side(stage)
    yield "100 connections at once", echo_on_many(stage, 100)
    yield "header fields both ways", see_who_asks(stage)
    yield "refusals", be_refused(stage)


async def main():
    tally = Tally()
    stage = Stage()
    await stage.start()
    for name, run in all_checks(stage):
        with tally.check(f"websockets: {name}"):
            await asyncio.wait_for(run, 30)
    with tally.check("websockets: sluice ends in order"):
        await stage.stop()
    if tally.failed > 0:
        stage.sluice.print_tails()
    tally.conclude()


asyncio.run(main())
