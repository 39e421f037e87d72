"""A network that fails: a TCP proxy in a process of its own, between workers and PostgreSQL or one broker of Kafka.

A `Link` listens on a port and passes on to a server. What it does to its connections is set from the test:

    link.set(up="hold")          # nothing goes from the client to the server; what was sent arrives once it is healed
    link.set(down="hold")        # nothing comes back
    link.set(delay=0.2)          # seconds that everything needs, in each direction
    link.set(rate=20_000)        # bytes a second, in each direction
    link.set(refuse=True)        # new connections are refused; those that are open stay
    link.set(hold_answers=("COMMIT",))         # of PostgreSQL: that answer, and what comes behind it on its connection
    link.set(hold_answers=("EndTxn",))         # of Kafka, by the request's name
    link.set(half=True)          # of the next answer one half arrives, then the connection is reset
    link.reset()                 # every connection, at both ends
    link.heal()

`hold` is what a cut cable does: nobody is told, and what was under way arrives after it, late. `caught` counts what
`hold_answers` and `half` have met.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading

CHUNK = 64 * 1024
RESET = struct.pack("ii", 1, 0)  # linger for no time: a close is a RST
KAFKA_REQUESTS = {
    "Produce": 0,
    "Fetch": 1,
    "OffsetFetch": 9,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "SyncGroup": 14,
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "AddOffsetsToTxn": 25,
    "EndTxn": 26,
    "TxnOffsetCommit": 28,
}


# ---- in the test's process ----


class Proxy:
    """The process. link() before its first use; close() ends it."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lock = threading.Lock()

    def ask(self, **request):
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def link(self, server_port, port=0, protocol=None):
        """From `port` (0: any) to a server of this machine; `protocol`: "postgres" or "kafka" for hold_answers."""
        return Link(self, self.ask(do="link", server_port=server_port, port=port, protocol=protocol)["port"])

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)


class Link:
    def __init__(self, proxy, port):
        self._proxy = proxy
        self.port = port

    def set(self, **how):
        """Over what was set before."""
        self._proxy.ask(do="set", port=self.port, how=how)

    def heal(self):
        """As in the beginning; what was held goes on its way."""
        self._proxy.ask(do="heal", port=self.port)

    def reset(self):
        """How many connections there were."""
        return self._proxy.ask(do="reset", port=self.port)["count"]

    def state(self):
        """{"connections": now open, "opened": ever, "caught": see above}"""
        return self._proxy.ask(do="state", port=self.port)

    @property
    def caught(self):
        return self.state()["caught"]


# ---- in the proxy's ----


class Frames:
    """Where the messages of a stream begin and end, as its bytes go by."""

    def __init__(self, header_size):
        self.header_size = header_size
        self.buffer = b""

    def take(self, data, size_of):
        """The messages that are complete now."""
        self.buffer += data
        while len(self.buffer) >= self.header_size and len(self.buffer) >= (size := size_of(self.buffer)):
            message, self.buffer = self.buffer[:size], self.buffer[size:]
            yield message


class Postgres:
    """Of the server's answers: which say that a COMMIT is done? Its client must ask for neither TLS nor GSS."""

    def __init__(self):
        self.answers = Frames(5)

    def sees_request(self, data):
        pass

    def splits(self, data):
        """(bytes, name of the answer or None)..., whole messages only."""
        for message in self.answers.take(data, lambda head: 1 + int.from_bytes(head[1:5])):
            yield message, message[5:-1].decode(errors="replace") if message[:1] == b"C" else None


class Kafka:
    """Of the broker's answers: to which request?"""

    def __init__(self):
        self.requests, self.answers = Frames(4), Frames(4)
        self.kinds = {}  # by correlation id

    @staticmethod
    def _size(head):
        return 4 + int.from_bytes(head[:4])

    def sees_request(self, data):
        for message in self.requests.take(data, self._size):
            key, _version, correlation = struct.unpack(">hhi", message[4:12])
            self.kinds[correlation] = key

    def splits(self, data):
        names = {key: name for name, key in KAFKA_REQUESTS.items()}
        for message in self.answers.take(data, self._size):
            yield message, names.get(self.kinds.pop(int.from_bytes(message[4:8], signed=True), None))


class Listener:
    """One link: its settings, and its connections."""

    def __init__(self, server_port, protocol):
        self.server_port = server_port
        self.protocol = {"postgres": Postgres, "kafka": Kafka}.get(protocol)
        self.port = None
        self.server = None
        self.connections = set()
        self.opened = self.caught = 0
        self.changed = asyncio.Event()
        self.clear()

    def clear(self):
        self.up = self.down = "pass"
        self.delay = self.rate = 0
        self.refuse = self.half = False
        self.hold_answers = ()

    async def listen(self, port):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", port, limit=CHUNK)
        self.port = self.server.sockets[0].getsockname()[1]

    async def set(self, how):
        for name, value in how.items():
            assert hasattr(self, name), name
            setattr(self, name, value)
        if self.refuse and self.server:
            self.server.close()
            self.server = None
        elif not self.refuse and not self.server:
            await self.listen(self.port)
        self.changed.set()
        self.changed = asyncio.Event()

    async def heal(self):
        self.clear()
        await self.set({})

    def reset(self):
        count = len(self.connections)
        for connection in list(self.connections):
            connection.reset()
        return count

    async def until(self, condition):
        while not condition():
            await self.changed.wait()

    async def serve(self, reader, writer):
        try:
            there = await asyncio.open_connection("127.0.0.1", self.server_port, limit=CHUNK)
        except OSError:
            abort(writer)
            return
        self.opened += 1
        connection = Connection(self, (reader, writer), there)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)


class Connection:
    def __init__(self, link, client, server):
        self.link = link
        self.client, self.server = client, server
        self.speaks = link.protocol and link.protocol()
        self.tasks = []

    def reset(self):
        for task in self.tasks:
            task.cancel()
        for _, writer in (self.client, self.server):
            abort(writer)

    async def run(self):
        self.tasks = [
            asyncio.create_task(self.pump("up", self.client[0], self.server[1])),
            asyncio.create_task(self.pump("down", self.server[0], self.client[1])),
        ]
        try:
            await asyncio.gather(*self.tasks)
        except (OSError, asyncio.CancelledError):
            pass
        self.reset()

    async def pump(self, direction, reader, writer):
        """A reader takes the time of each piece, so that a delay delays and does not throttle."""
        queue = asyncio.Queue(1024)
        reading = asyncio.create_task(self.read(reader, queue))
        self.tasks.append(reading)
        loop = asyncio.get_running_loop()
        while True:
            data, came_at = await queue.get()
            while (left := came_at + self.link.delay - loop.time()) > 0:
                await asyncio.sleep(min(left, 0.05))  # it may be healed meanwhile
            await self.link.until(lambda: getattr(self.link, direction) == "pass")
            if data is RESET:
                raise ConnectionResetError
            if data is None:
                writer.write_eof()
                return
            await (self.send_up if direction == "up" else self.send_down)(writer, data)

    async def read(self, reader, queue):
        data = b""
        while data is not None:
            try:
                data = await reader.read(CHUNK) or None
            except OSError:
                data = RESET
            await queue.put((data, asyncio.get_running_loop().time()))
            if data is RESET:
                return

    async def send_up(self, writer, data):
        if self.speaks:
            self.speaks.sees_request(data)
        await self.write(writer, data)

    async def send_down(self, writer, data):
        if self.link.half:
            self.link.half = False
            self.link.caught += 1
            await self.write(writer, data[: len(data) // 2])
            self.reset()
            return
        if not self.speaks:
            await self.write(writer, data)
            return
        passing = b""
        for message, name in self.speaks.splits(data):
            if name in self.link.hold_answers:
                await self.write(writer, passing)
                passing = b""
                self.link.caught += 1
                await self.link.until(lambda held=name: held not in self.link.hold_answers)
            passing += message
        await self.write(writer, passing)

    async def write(self, writer, data):
        rate = self.link.rate
        step = max(1, int(rate / 20)) if rate else CHUNK
        for begin in range(0, len(data), step):
            writer.write(data[begin : begin + step])
            await writer.drain()
            if rate:
                await asyncio.sleep(0.05)


def abort(writer):
    opened = writer.get_extra_info("socket")
    if opened is not None and opened.fileno() >= 0:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def answer(links, request):
    if request["do"] == "link":
        link = Listener(request["server_port"], request["protocol"])
        await link.listen(request["port"])
        links[link.port] = link
        return {"port": link.port}
    link = links[request["port"]]
    if request["do"] == "set":
        await link.set(request["how"])
    elif request["do"] == "heal":
        await link.heal()
    elif request["do"] == "reset":
        return {"count": link.reset()}
    elif request["do"] == "state":
        return {"connections": len(link.connections), "opened": link.opened, "caught": link.caught}
    return {}


async def serve():
    """Requests are lines of JSON on standard input; its end is ours."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    links = {}
    while line := await commands.readline():
        try:
            reply = await answer(links, json.loads(line))
        except Exception as error:  # the test is told
            reply = {"error": repr(error)}
        print(json.dumps(reply), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve())
