"""PyPI: lavalink, known as lavalink.py"""

import asyncio

import discord
import lavalink


class Voice(discord.VoiceProtocol):
    """Hands voice updates to the client, as its examples do."""

    def __init__(self, client, channel):
        super().__init__(client, channel)
        self.lavalink = client.lavalink

    async def on_voice_server_update(self, data):
        await self.lavalink.voice_update_handler({"t": "VOICE_SERVER_UPDATE", "d": data})

    async def on_voice_state_update(self, data):
        await self.lavalink.voice_update_handler({"t": "VOICE_STATE_UPDATE", "d": data})

    async def connect(self, *, timeout, reconnect, self_deaf=False, self_mute=False):
        self.lavalink.player_manager.create(guild_id=self.channel.guild.id)
        await self.channel.guild.change_voice_state(channel=self.channel, self_mute=self_mute, self_deaf=self_deaf)

    async def disconnect(self, *, force=False):
        await self.channel.guild.change_voice_state(channel=None)
        self.cleanup()


class Adapter:
    def __init__(self, place):
        self.place = place
        self.player = None
        self.queue_ended = asyncio.Event()

    async def connect(self):
        place = self.place
        client = lavalink.Client(place.bot.user.id)
        place.bot.lavalink = client

        first = True

        async def ready(event):
            # It does not resume: it begins a new session, and plays on there where it was.
            nonlocal first
            if not first:
                place.event("restarted", session=event.session_id)
            first = False

        async def start(event):
            place.event("start", title=event.track.title)

        async def end(event):
            place.event("end", reason=event.reason.value)

        async def exception(event):
            place.event("exception", message=event.message)

        async def stuck(_event):
            place.event("stuck")

        async def queue_end(_event):
            self.queue_ended.set()

        async def closed(event):
            place.event("closed", code=event.code)

        for hook, event in (
            (ready, lavalink.NodeReadyEvent),
            (start, lavalink.TrackStartEvent),
            (end, lavalink.TrackEndEvent),
            (exception, lavalink.TrackExceptionEvent),
            (stuck, lavalink.TrackStuckEvent),
            (queue_end, lavalink.QueueEndEvent),
            (closed, lavalink.WebSocketClosedEvent),
        ):
            client.add_event_hook(hook, event=event)
        node = client.add_node(place.host, place.port, place.password, "eu", "node")
        while not (node.available and node.session_id):
            await asyncio.sleep(0.02)
        await place.channel.connect(cls=Voice, self_deaf=True)
        self.player = client.player_manager.get(place.guild_id)
        return {"library": f"lavalink.py {lavalink.__version__}", "session": node.session_id}

    async def load(self, url):
        track = (await self.player.node.get_tracks(url)).tracks[0]
        return {"type": "track", "title": track.title, "ms": track.duration}

    async def play(self, url):
        track = (await self.player.node.get_tracks(url)).tracks[0]
        await self.player.play(track)

    async def pause(self):
        await self.player.set_pause(True)

    async def resume(self):
        await self.player.set_pause(False)

    async def seek(self, ms):
        await self.player.seek(ms)

    async def volume(self, percent):
        await self.player.set_volume(percent)

    async def filter(self):
        await self.player.set_filter(lavalink.LowPass(20.0))

    async def unfilter(self):
        await self.player.clear_filters()

    async def stop(self):
        await self.player.stop()

    async def leave(self):
        # At the end of a track it stops the player once more, which must not come after it is gone.
        await self.queue_ended.wait()
        await self.place.channel.guild.voice_client.disconnect(force=True)
        await self.place.bot.lavalink.player_manager.destroy(self.place.guild_id)
