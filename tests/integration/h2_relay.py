"""Turns TLS connections for 127.0.0.1 into TLS connections to a server whose certificate nobody can check.

Never looks at what passes: what a client agrees on is agreed on with the server.
Rules: RFC 7301; kinesis-local has a certificate of its own, without a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator

from tests.doubles.certificate import Certificate

READ_BYTES = 1 << 16


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _end() -> None:
    """Ends the connections that are left."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _inner(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


@contextlib.contextmanager
def relay(certificate: Certificate, port: int, protocols: set[str]) -> Iterator[str]:
    """Relays to 127.0.0.1:port, by what each client agrees on, which is put into `protocols`; gives the endpoint."""
    outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outer.load_cert_chain(certificate.file, certificate.key_file)
    outer.set_alpn_protocols(["h2", "http/1.1"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol() or "http/1.1"
        protocols.add(agreed)
        theirs_reader, theirs_writer = await asyncio.open_connection("127.0.0.1", port, ssl=_inner(agreed))
        await asyncio.gather(_pump(reader, theirs_writer), _pump(theirs_reader, writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=outer))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
