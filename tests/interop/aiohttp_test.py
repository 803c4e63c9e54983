# aiohttp as server and as client through the real binary:
#   /usr/bin/python3 aiohttp_test.py BIN_FOLDER
# What iOS and C++ clients offer (server_max_window_bits=15) no Python client offers and takes
# aiohttp's answer to, so that one is spoken by hand.
import asyncio
import base64
import hashlib
import os
import struct
import sys
import zlib

sys.dont_write_bytecode = True  # the source tree stays as it is

from harness import Sluice, Tally, bin_folder, expect_equal  # noqa: E402

try:
    import aiohttp
    from aiohttp import web
except ImportError:
    sys.exit(f"{sys.executable} has no aiohttp: `.ci/deps test` installs python3-aiohttp for "
             "/usr/bin/python3")

OFFER = "permessage-deflate; client_max_window_bits; server_max_window_bits=15"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
TEXTS = ["hello", "écluse " * 20_000, "", "hello" * 30]


async def echo(request):
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type == aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def start_server():
    app = web.Application()
    app.router.add_get("/echo", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, site._server.sockets[0].getsockname()[1]


class HandClient:
    """A client that compresses each message (RFC 7692 7.2.1), over asyncio's streams."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.deflater = zlib.compressobj(wbits=-15)
        self.inflater = zlib.decompressobj(wbits=-15)

    @classmethod
    async def connect(cls, port, target):
        self = cls(*await asyncio.open_connection("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16))
        self.writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
                          b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          b"Sec-WebSocket-Key: " + key + b"\r\n"
                          b"Sec-WebSocket-Extensions: " + OFFER.encode() + b"\r\n\r\n")
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = head[0].split(" ")[1]
        self.fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        digest = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        expect_equal(self.fields.get("sec-websocket-accept"), digest.lower(), "Accept")
        return self

    def send(self, text):
        payload = self.deflater.compress(text.encode()) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        payload = payload[:-4]
        mask = os.urandom(4)
        key = (mask * (len(payload) // 4 + 1))[:len(payload)]
        masked = bytes(a ^ b for a, b in zip(payload, key))
        self.writer.write(struct.pack("!BBQ", 0xC1, 0xFF, len(payload)) + mask + masked
                          if len(payload) > 65535 else
                          struct.pack("!BBH", 0xC1, 0xFE, len(payload)) + mask + masked
                          if len(payload) > 125 else
                          struct.pack("!BB", 0xC1, 0x80 | len(payload)) + mask + masked)

    async def receive(self):
        """The first byte and the text of the next message, which is one frame."""
        first, length = await self.reader.readexactly(2)
        if length > 125:
            more = await self.reader.readexactly(2 if length == 126 else 8)
            length = int.from_bytes(more, "big")
        payload = await self.reader.readexactly(length)
        if first & 0x40:
            payload = self.inflater.decompress(payload + b"\x00\x00\xff\xff")
        return first, payload.decode()


async def deflate_with_fifteen(port):
    client = await HandClient.connect(port, b"/echo")
    expect_equal(client.status, "101")
    chosen = client.fields.get("sec-websocket-extensions", "")
    expect_equal(chosen.split(";")[0], "permessage-deflate", "what aiohttp chose")
    expect_equal("server_max_window_bits" in chosen, False, "aiohttp leaves the 15 out")
    for text in TEXTS:
        client.send(text)
        first, echoed = await client.receive()
        expect_equal((first, echoed), (0xC1, text), "compressed echo")
    client.writer.close()
    await client.writer.wait_closed()


async def aiohttp_client(port, compress):
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"ws://127.0.0.1:{port}/echo", compress=compress,
                                      max_msg_size=0) as socket:
            expect_equal(bool(socket.compress), compress > 0, "agreed compression")
            for text in TEXTS:
                await socket.send_str(text)
                expect_equal((await socket.receive()).data, text, "echo")
            data = os.urandom(300_000)
            await socket.send_bytes(data)
            expect_equal((await socket.receive()).data, data, "echo of bytes")
            await socket.close()
            expect_equal(socket.close_code, 1000, "close code")


async def main():
    tally = Tally()
    runner, server_port = await start_server()
    program = os.path.join(bin_folder(), "sluice")
    with Sluice(program, [("/", server_port)]) as sluice:
        with tally.check("deflate without the 15 that was offered"):
            await asyncio.wait_for(deflate_with_fifteen(sluice.port), 30)
        for compress in (0, 15, 10):
            with tally.check(f"aiohttp as client, compress={compress}"):
                await asyncio.wait_for(aiohttp_client(sluice.port, compress), 30)
        with tally.check("stop"):
            sluice.stop()
        if tally.failed:
            sluice.print_tails()
    await runner.cleanup()
    tally.conclude()


asyncio.run(main())
