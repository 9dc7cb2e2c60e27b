# SPDX-License-Identifier: Apache-2.0
"""Lines in upper case by asyncio, half of them through its thread pool."""
import asyncio
import signal
import sys


async def serve(reader, writer):
    count = 0
    while line := await reader.readline():
        count += 1
        writer.write(await asyncio.to_thread(line.upper) if count % 2 else line.upper())
        await writer.drain()
    writer.close()


async def main():
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])):
        await over.wait()

asyncio.run(main())
