"""A music bot on discord.py and a public Lavalink client, played by a test: each line of JSON
on stdin says what to do ({"do": "seek", "ms": 20000}), each line on stdout what was done
({"did": "seek"}) or what the node told ({"event": "end", "reason": "finished"}).

Environment: CLIENT (the module of an adapter), CLIENT_API (http://host:port/api of the
simulated Discord), CLIENT_TOKEN, CLIENT_GUILD, CLIENT_CHANNEL, CLIENT_NODE (host:port),
CLIENT_PASSWORD.
"""

import asyncio
import importlib
import json
import os
import sys
import threading
import traceback

import discord
import yarl

discord.http.Route.BASE = f"{os.environ['CLIENT_API']}/v10"


def say(**line):
    print(json.dumps(line), flush=True)


def fail(doing, error):
    told = "".join(traceback.format_exception(error))
    print(f"client: {doing}: {told}", file=sys.stderr, flush=True)
    say(failed=doing, error=told)
    os._exit(1)


class Bot(discord.Client):
    """Takes the gateway's address from the API, as sharded bots do."""

    async def setup_hook(self):
        told = await self.http.request(discord.http.Route("GET", "/gateway"))
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(told["url"])


class Place:
    """What an adapter has to know."""

    def __init__(self, bot):
        self.bot = bot
        self.guild_id = int(os.environ["CLIENT_GUILD"])
        self.channel_id = int(os.environ["CLIENT_CHANNEL"])
        self.host, port = os.environ["CLIENT_NODE"].split(":")
        self.port = int(port)
        self.password = os.environ["CLIENT_PASSWORD"]

    @property
    def channel(self):
        return self.bot.get_channel(self.channel_id)

    def event(self, event, **facts):
        say(event=event, **facts)



async def main():
    intents = discord.Intents.none()
    intents.guilds = True
    intents.voice_states = True
    bot = Bot(intents=intents)
    module = importlib.import_module(os.environ["CLIENT"])
    adapter = module.Adapter(Place(bot))
    ready = asyncio.Event()

    async def on_ready():
        ready.set()

    bot.event(on_ready)
    running = asyncio.create_task(bot.start(os.environ["CLIENT_TOKEN"]))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()

    lines = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, json.loads(line))
        # Nobody is left behind when the test that started us ends.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        args = await lines.get()
        what = args.pop("do")
        try:
            facts = await getattr(adapter, what)(**args)
        except Exception as error:  # noqa: BLE001
            fail(what, error)
        say(did=what, **(facts or {}))


asyncio.run(main())
