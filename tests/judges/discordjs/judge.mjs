// A bot as its users write it, on discord.js and @discordjs/voice. It talks to the
// simulated Discord and judges it: each step that worked is one line of JSON on stdout.
//
// Environment: JUDGE_API (http://host:port/api), JUDGE_TOKEN, JUDGE_AUDIO (an Ogg Opus
// file), JUDGE_PACKAGES (a folder with node_modules), NODE_EXTRA_CA_CERTS for voice.

import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const { JUDGE_API, JUDGE_TOKEN, JUDGE_AUDIO, JUDGE_PACKAGES } = process.env;
const require = createRequire(path.join(JUDGE_PACKAGES, 'package.json'));
const {
  ActionRowBuilder, ApplicationCommandOptionType, ButtonBuilder, ButtonStyle, Client, ContainerBuilder,
  Events, GatewayIntentBits, LabelBuilder, MessageFlags, ModalBuilder, StringSelectMenuBuilder,
  TextDisplayBuilder, TextInputBuilder, TextInputStyle, version,
} = require('discord.js');
const {
  AudioPlayerStatus, StreamType, VoiceConnectionStatus, createAudioPlayer, createAudioResource,
  entersState, getVoiceConnection, joinVoiceChannel, version: voiceVersion,
} = require('@discordjs/voice');

const FRUITS = ['apple', 'apricot', 'banana', 'cherry'];
const report = (step, facts = {}) => process.stdout.write(`${JSON.stringify({ step, ok: true, ...facts })}\n`);

function fail(step, error) {
  const line = JSON.stringify({ step, ok: false, error: String(error?.stack ?? error) });
  console.error(`judge: ${step}:`, error);
  process.stdout.write(`${line}\n`, () => process.exit(1));
}

function expect(condition, what) {
  if (!condition) throw new Error(`expected ${what}`);
}

process.on('uncaughtException', (error) => fail('uncaught', error));
process.on('unhandledRejection', (error) => fail('unhandled', error));
// Nobody is left behind when the test that started us dies.
process.stdin.resume().on('end', () => process.exit(1));
setTimeout(() => fail('deadline', 'two minutes were not enough'), 120_000).unref();

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.GuildVoiceStates],
  rest: { api: JUDGE_API },
});

const commands = {
  async hello(interaction) {
    await interaction.reply({ content: `Hello, ${interaction.options.getString('name')}!`, flags: MessageFlags.Ephemeral });
  },

  async later(interaction) {
    await interaction.deferReply();
    const edited = await interaction.editReply('Edited answer');
    expect(edited.content === 'Edited answer', 'the edited answer back');
    const fetched = await interaction.fetchReply();
    expect(fetched.id === edited.id, 'the same message when fetched');
    const more = await interaction.followUp({ content: 'Followed up', flags: MessageFlags.Ephemeral });
    expect(more.id !== edited.id, 'the follow-up to be another message');
  },

  async panel(interaction) {
    await interaction.reply({
      content: 'A panel',
      components: [
        new ActionRowBuilder().addComponents(
          new ButtonBuilder().setCustomId('press').setLabel('Press me').setStyle(ButtonStyle.Primary),
        ),
        new ActionRowBuilder().addComponents(
          new StringSelectMenuBuilder().setCustomId('mood').setPlaceholder('Mood').addOptions(
            { label: 'Good', value: 'good' }, { label: 'Bad', value: 'bad' },
          ),
        ),
      ],
    });
  },

  async card(interaction) {
    await interaction.reply({ components: [card('Side one', 'Turn')], flags: MessageFlags.IsComponentsV2 });
  },

  async form(interaction) {
    const text = new TextInputBuilder().setCustomId('text').setStyle(TextInputStyle.Paragraph);
    await interaction.showModal(
      new ModalBuilder().setCustomId('form').setTitle('A form')
        .addLabelComponents(new LabelBuilder().setLabel('Your text').setTextInputComponent(text)),
    );
  },

  async post(interaction) {
    await interaction.deferReply({ flags: MessageFlags.Ephemeral });
    const { channel } = interaction;
    const first = await channel.send('First');
    await first.edit('First, edited');
    const upload = await channel.send({
      content: 'A file',
      files: [{ attachment: Buffer.from('these are the bytes'), name: 'note.txt', description: 'A note' }],
    });
    expect(upload.attachments.first()?.name === 'note.txt', 'the attachment back');
    expect(upload.attachments.first().size === 19, 'its size');
    const file = await fetch(upload.attachments.first().url);
    expect(await file.text() === 'these are the bytes', 'the bytes back');
    const doomed = await channel.send('Doomed');
    await doomed.delete();
    const recent = await channel.messages.fetch({ limit: 10 });
    expect(recent.has(first.id) && recent.has(upload.id), 'what was sent among the channel’s messages');
    expect(!recent.has(doomed.id), 'the deleted message to be gone');
    expect(recent.get(first.id).editedTimestamp !== null, 'the edit to be dated');
    const single = await channel.messages.fetch({ message: first.id, force: true });
    expect(single.content === 'First, edited', 'the edited text');
    await interaction.editReply('Posted');
    report('post', { messages: recent.size });
  },

  async listen(interaction) {
    await interaction.deferReply();
    const channelId = interaction.member.voice.channelId;
    expect(channelId, 'the person to be in a voice channel');
    const connection = joinVoiceChannel({
      channelId, guildId: interaction.guildId, adapterCreator: interaction.guild.voiceAdapterCreator,
    });
    connection.on('error', (error) => fail('voice', error));
    const encrypted = new Promise((resolve) => { connection.once('transitioned', resolve); });
    await entersState(connection, VoiceConnectionStatus.Ready, 20_000);
    // Before the first transition the library sends what nobody may hear.
    if (connection.state.networking.state.dave?.protocolVersion > 0) await encrypted;
    report('join', { code: connection.voicePrivacyCode ?? null });
    const player = createAudioPlayer();
    player.on('error', (error) => fail('player', error));
    connection.subscribe(player);
    const resource = createAudioResource(createReadStream(JUDGE_AUDIO), { inputType: StreamType.OggOpus });
    player.play(resource);
    await entersState(player, AudioPlayerStatus.Playing, 10_000);
    await entersState(player, AudioPlayerStatus.Idle, 60_000);
    expect(connection.state.status === VoiceConnectionStatus.Ready, 'the connection to have held');
    await interaction.editReply('Played');
    report('play', { played_ms: resource.playbackDuration });
  },

  async leave(interaction) {
    getVoiceConnection(interaction.guildId).destroy();
    await interaction.reply({ content: 'Left', flags: MessageFlags.Ephemeral });
  },

  async bye(interaction) {
    await interaction.reply({ content: 'Bye', flags: MessageFlags.Ephemeral });
    report('bye');
    await client.destroy();
    process.stdout.write('', () => process.exit(0));
  },
};

const components = {
  async press(interaction) {
    await interaction.update({ content: `Pressed by ${interaction.user.username}` });
  },
  async mood(interaction) {
    await interaction.deferUpdate();
    await interaction.editReply({ content: `Mood: ${interaction.values.join(', ')}`, components: [] });
  },
  async turn(interaction) {
    await interaction.update({ components: [card('Side two', 'Turn back')], flags: MessageFlags.IsComponentsV2 });
  },
};

function card(text, label) {
  return new ContainerBuilder().setAccentColor(0x5865f2)
    .addTextDisplayComponents(new TextDisplayBuilder().setContent(`## ${text}`))
    .addActionRowComponents(new ActionRowBuilder().addComponents(
      new ButtonBuilder().setCustomId('turn').setLabel(label).setStyle(ButtonStyle.Secondary),
    ));
}

async function answer(interaction) {
  if (interaction.isAutocomplete()) {
    const typed = interaction.options.getFocused();
    await interaction.respond(FRUITS.filter((name) => name.startsWith(typed)).map((name) => ({ name, value: name })));
    report('autocomplete');
  } else if (interaction.isChatInputCommand()) {
    await commands[interaction.commandName](interaction);
    if (!['post', 'listen', 'bye'].includes(interaction.commandName)) report(interaction.commandName);
  } else if (interaction.isMessageComponent()) {
    await components[interaction.customId](interaction);
    report(interaction.customId);
  } else if (interaction.isModalSubmit()) {
    await interaction.reply({ content: `You wrote: ${interaction.fields.getTextInputValue('text')}`, flags: MessageFlags.Ephemeral });
    report('submit');
  }
}

client.on(Events.Error, (error) => fail('client', error));
client.on(Events.InteractionCreate, (interaction) => {
  answer(interaction).catch((error) => fail(interaction.commandName ?? interaction.customId, error));
});

client.once(Events.ClientReady, async () => {
  report('login', { library: `discord.js ${version}, voice ${voiceVersion}, node ${process.version}`, user: client.user.id });
  const name = {
    name: 'name', description: 'Whom to greet', type: ApplicationCommandOptionType.String, required: true, autocomplete: true,
  };
  const set = await client.application.commands.set(Object.keys(commands).map((command) => (
    { name: command, description: `The judge’s ${command}`, options: command === 'hello' ? [name] : [] }
  )));
  expect(set.size === Object.keys(commands).length, 'every command back');
  const guild = client.guilds.cache.first();
  const local = await guild.commands.create({ name: 'local', description: 'Only here' });
  await guild.commands.delete(local);
  const fetched = await client.application.commands.fetch();
  expect(fetched.some((command) => command.name === 'hello'), 'the command among the fetched');
  report('register', { commands: set.size });
});

await client.login(JUDGE_TOKEN);
