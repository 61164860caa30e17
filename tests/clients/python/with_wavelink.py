"""PyPI: wavelink"""

import asyncio

import wavelink


class Adapter:
    def __init__(self, place):
        self.place = place
        self.player = None
        self.ready = asyncio.Event()
        bot = place.bot

        @bot.event
        async def on_wavelink_node_ready(payload):
            self.ready.set()
            if payload.resumed:
                place.event("resumed")

        @bot.event
        async def on_wavelink_track_start(payload):
            place.event("start", title=payload.track.title)

        @bot.event
        async def on_wavelink_track_end(payload):
            place.event("end", reason=payload.reason)

        @bot.event
        async def on_wavelink_track_exception(payload):
            place.event("exception", message=payload.exception.get("message"))

        @bot.event
        async def on_wavelink_track_stuck(payload):
            place.event("stuck")

        @bot.event
        async def on_wavelink_websocket_closed(payload):
            place.event("closed", code=int(payload.code))

    async def connect(self):
        uri = f"http://{self.place.host}:{self.place.port}"
        node = wavelink.Node(uri=uri, password=self.place.password, resume_timeout=60)
        await wavelink.Pool.connect(nodes=[node], client=self.place.bot)
        await self.ready.wait()
        self.player = await self.place.channel.connect(cls=wavelink.Player, self_deaf=True)
        self.player.autoplay = wavelink.AutoPlayMode.disabled
        return {"library": f"wavelink {wavelink.__version__}", "session": node.session_id}

    async def load(self, url):
        track = (await wavelink.Playable.search(url, source=None))[0]
        return {"type": "track", "title": track.title, "ms": track.length}

    async def play(self, url):
        track = (await wavelink.Playable.search(url, source=None))[0]
        await self.player.play(track)

    async def pause(self):
        await self.player.pause(True)

    async def resume(self):
        await self.player.pause(False)

    async def seek(self, ms):
        await self.player.seek(ms)

    async def volume(self, percent):
        await self.player.set_volume(percent)

    async def filter(self):
        filters = wavelink.Filters()
        filters.low_pass.set(smoothing=20)
        await self.player.set_filters(filters)

    async def unfilter(self):
        await self.player.set_filters(None)

    async def stop(self):
        await self.player.stop()

    async def leave(self):
        await self.player.disconnect()
