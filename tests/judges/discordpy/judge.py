"""A bot as its users write it, on discord.py. It talks to the simulated Discord and
judges it: each step that worked is one line of JSON on stdout.

Environment: JUDGE_API (http://host:port/api), JUDGE_TOKEN, JUDGE_AUDIO (an Ogg Opus
file), SSL_CERT_FILE for voice.
"""

import asyncio
import io
import json
import logging
import os
import sys
import threading
import traceback

import discord
import yarl
from discord import app_commands
from discord.oggparse import OggStream

API = os.environ["JUDGE_API"]
AUDIO = os.environ["JUDGE_AUDIO"]
FRUITS = ["apple", "apricot", "banana", "cherry"]

discord.http.Route.BASE = f"{API}/v10"


def report(step, **facts):
    print(json.dumps({"step": step, "ok": True, **facts}), flush=True)


def fail(step, error):
    told = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else str(error)
    print(f"judge: {step}: {told}", file=sys.stderr, flush=True)
    print(json.dumps({"step": step, "ok": False, "error": told}), flush=True)
    os._exit(1)


def expect(condition, what):
    if not condition:
        raise AssertionError(f"expected {what}")


def watch_parent():
    """Nobody is left behind when the test that started us dies."""
    sys.stdin.read()
    os._exit(1)


class Packets(discord.AudioSource):
    """The Opus packets of a file, as they are."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.packets = OggStream(self.file).iter_packets()
        # The two headers.
        next(self.packets), next(self.packets)
        self.count = 0

    def is_opus(self):
        return True

    def read(self):
        packet = next(self.packets, b"")
        self.count += bool(packet)
        return packet

    def cleanup(self):
        self.file.close()


class Judge(discord.AutoShardedClient):
    """Takes the gateway's address from the API, as sharded bots do."""

    def __init__(self):
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.voice_states = True
        super().__init__(intents=intents, max_messages=100)
        self.tree = app_commands.CommandTree(self)
        self.registered = False

    async def setup_hook(self):
        # The library asks for the address once, and for a second session takes this one.
        told = await self.http.request(discord.http.Route("GET", "/gateway"))
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(told["url"])

    async def on_ready(self):
        if self.registered:
            return
        self.registered = True
        python = ".".join(map(str, sys.version_info[:3]))
        report("login", library=f"discord.py {discord.__version__}, python {python}", user=str(self.user.id))
        try:
            synced = await self.tree.sync()
            expect(len(synced) == 9, "every command back")
            guild = self.guilds[0]
            self.tree.add_command(app_commands.Command(name="local", description="Only here", callback=nothing), guild=guild)
            expect(len(await self.tree.sync(guild=guild)) == 1, "the guild's command back")
            self.tree.clear_commands(guild=guild)
            await self.tree.sync(guild=guild)
            fetched = await self.tree.fetch_commands()
            expect(any(command.name == "hello" for command in fetched), "the command among the fetched")
        except Exception as error:
            fail("register", error)
        report("register", commands=len(synced))

    async def on_error(self, event, *_):
        fail(event, sys.exc_info()[1])


async def nothing(interaction: discord.Interaction):
    pass


judge = Judge()
command = judge.tree.command


@judge.tree.error
async def on_command_error(interaction, error):
    fail(interaction.command.name, error)


@command(description="The judge's hello")
async def hello(interaction: discord.Interaction, name: str):
    await interaction.response.send_message(f"Hello, {name}!", ephemeral=True)
    report("hello")


@hello.autocomplete("name")
async def fruits(interaction: discord.Interaction, current: str):
    report("autocomplete")
    return [app_commands.Choice(name=name, value=name) for name in FRUITS if name.startswith(current)]


@command(description="The judge's later")
async def later(interaction: discord.Interaction):
    await interaction.response.defer()
    edited = await interaction.edit_original_response(content="Edited answer")
    expect(edited.content == "Edited answer", "the edited answer back")
    fetched = await interaction.original_response()
    expect(fetched.id == edited.id, "the same message when fetched")
    more = await interaction.followup.send("Followed up", ephemeral=True, wait=True)
    expect(more.id != edited.id, "the follow-up to be another message")
    report("later")


class Checked(discord.ui.View):
    async def on_error(self, interaction, error, item):
        fail(item.custom_id, error)


class Panel(Checked):
    @discord.ui.button(label="Press me", custom_id="press", style=discord.ButtonStyle.primary)
    async def press(self, interaction, _button):
        await interaction.response.edit_message(content=f"Pressed by {interaction.user.name}")
        report("press")

    @discord.ui.select(
        custom_id="mood",
        placeholder="Mood",
        options=[discord.SelectOption(label="Good", value="good"), discord.SelectOption(label="Bad", value="bad")],
    )
    async def mood(self, interaction, select):
        await interaction.response.defer()
        await interaction.edit_original_response(content=f"Mood: {', '.join(select.values)}", view=None)
        report("mood")


@command(description="The judge's panel")
async def panel(interaction: discord.Interaction):
    await interaction.response.send_message("A panel", view=Panel(timeout=60))
    report("panel")


class Turn(discord.ui.Button):
    async def callback(self, interaction):
        await interaction.response.edit_message(view=Card("Side two", "Turn back"))
        report("turn")


class Card(discord.ui.LayoutView):
    """A message of Components V2."""

    def __init__(self, text, label):
        super().__init__(timeout=60)
        row = discord.ui.ActionRow(Turn(label=label, custom_id="turn"))
        self.add_item(discord.ui.Container(discord.ui.TextDisplay(f"## {text}"), row, accent_color=0x5865F2))

    async def on_error(self, interaction, error, item):
        fail("turn", error)


@command(description="The judge's card")
async def card(interaction: discord.Interaction):
    await interaction.response.send_message(view=Card("Side one", "Turn"))
    report("card")


class Form(discord.ui.Modal, title="A form"):
    # An action row around the field: the older of the two ways, discord.js has the other.
    text = discord.ui.TextInput(label="Your text", custom_id="text", style=discord.TextStyle.paragraph)

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"You wrote: {self.text.value}", ephemeral=True)
        report("submit")

    async def on_error(self, interaction, error):
        fail("submit", error)


@command(description="The judge's form")
async def form(interaction: discord.Interaction):
    await interaction.response.send_modal(Form(custom_id="form"))
    report("form")


@command(description="The judge's post")
async def post(interaction: discord.Interaction):
    await interaction.response.defer(ephemeral=True)
    channel = interaction.channel
    first = await channel.send("First")
    await first.edit(content="First, edited")
    file = discord.File(io.BytesIO(b"these are the bytes"), "note.txt", description="A note")
    upload = await channel.send("A file", file=file)
    expect(upload.attachments[0].filename == "note.txt", "the attachment back")
    expect(upload.attachments[0].size == 19, "its size")
    expect(await upload.attachments[0].read() == b"these are the bytes", "the bytes back")
    doomed = await channel.send("Doomed")
    await doomed.delete()
    recent = {message.id: message async for message in channel.history(limit=10)}
    expect(first.id in recent and upload.id in recent, "what was sent among the channel's messages")
    expect(doomed.id not in recent, "the deleted message to be gone")
    expect(recent[first.id].edited_at is not None, "the edit to be dated")
    single = await channel.fetch_message(first.id)
    expect(single.content == "First, edited", "the edited text")
    await interaction.edit_original_response(content="Posted")
    report("post", messages=len(recent))


@command(description="The judge's listen")
async def listen(interaction: discord.Interaction):
    await interaction.response.defer()
    expect(interaction.user.voice, "the person to be in a voice channel")
    voice = await interaction.user.voice.channel.connect(timeout=20, reconnect=False)
    # Before there is a group the library sends what nobody may hear.
    while not voice.voice_privacy_code:
        await asyncio.sleep(0.01)
    report("join")
    source, ended = Packets(AUDIO), asyncio.get_running_loop().create_future()
    voice.play(source, after=lambda error: judge.loop.call_soon_threadsafe(ended.set_result, error))
    error = await asyncio.wait_for(ended, 60)
    expect(error is None, f"no error of the player: {error}")
    expect(voice.is_connected(), "the connection to have held")
    await interaction.edit_original_response(content="Played")
    report("play", packets=source.count)


@command(description="The judge's leave")
async def leave(interaction: discord.Interaction):
    await interaction.guild.voice_client.disconnect()
    await interaction.response.send_message("Left", ephemeral=True)
    report("leave")


@command(description="The judge's bye")
async def bye(interaction: discord.Interaction):
    await interaction.response.send_message("Bye", ephemeral=True)
    report("bye")
    await judge.close()


async def run():
    async with judge:
        await judge.start(os.environ["JUDGE_TOKEN"])


async def main():
    try:
        await asyncio.wait_for(run(), 120)
    except Exception as error:
        fail("run", error)


threading.Thread(target=watch_parent, daemon=True).start()
discord.utils.setup_logging(level=logging.ERROR)
asyncio.run(main())
sys.stdout.flush()
# The thread that watches stdin would keep the interpreter from ending.
os._exit(0)
