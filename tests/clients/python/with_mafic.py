"""PyPI: mafic"""

import mafic


class Adapter:
    def __init__(self, place):
        self.place = place
        self.player = None
        self.pool = None
        self.session = None
        bot = place.bot

        @bot.event
        async def on_track_start(event):
            place.event("start", title=event.track.title)

        @bot.event
        async def on_track_end(event):
            place.event("end", reason=event.reason.value)

        @bot.event
        async def on_track_exception(event):
            place.event("exception", message=str(event.exception))

        @bot.event
        async def on_track_stuck(_event):
            place.event("stuck")

        @bot.event
        async def on_websocket_closed(event):
            place.event("closed", code=event.code)

        @bot.event
        async def on_node_ready(node):
            if self.player is not None and node.session_id == self.session:
                place.event("resumed")

    async def node(self, label, session=None):
        place = self.place
        return await self.pool.create_node(
            host=place.host,
            port=place.port,
            label=label,
            password=place.password,
            resuming_session_id=session,
        )

    async def connect(self):
        self.pool = mafic.NodePool(self.place.bot)
        # It resumes the session that a node is created with, as a bot does that was restarted.
        before = await self.node("before")
        self.session = before.session_id
        await self.pool.remove_node(before, transfer_players=False)
        node = await self.node("node", self.session)
        self.player = await self.place.channel.connect(cls=mafic.Player, self_deaf=True)
        return {"library": f"mafic {mafic.__version__}", "session": node.session_id}

    async def load(self, url):
        track = (await self.player.fetch_tracks(url, search_type=""))[0]
        return {"type": "track", "title": track.title, "ms": track.length}

    async def play(self, url):
        track = (await self.player.fetch_tracks(url, search_type=""))[0]
        await self.player.play(track)

    async def pause(self):
        await self.player.pause()

    async def resume(self):
        await self.player.resume()

    async def seek(self, ms):
        await self.player.seek(ms)

    async def volume(self, percent):
        await self.player.set_volume(percent)

    async def filter(self):
        low_pass = mafic.Filter(low_pass=mafic.LowPass(smoothing=20))
        await self.player.add_filter(low_pass, label="low", fast_apply=False)

    async def unfilter(self):
        await self.player.clear_filters(fast_apply=False)

    async def stop(self):
        await self.player.stop()

    async def leave(self):
        await self.player.disconnect(force=True)
