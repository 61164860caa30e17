// A bot that only listens, on discord.js and @discordjs/voice. It joins a call of the simulated
// Discord, follows its end-to-end encryption, and writes down every Opus packet of one speaker.
//
// Environment: JUDGE_API, JUDGE_TOKEN, JUDGE_PACKAGES, NODE_EXTRA_CA_CERTS as for judge.mjs;
// JUDGE_GUILD, JUDGE_CHANNEL, JUDGE_SPEAKER (ids), JUDGE_HEARD (the file to write, a packet on each
// line, in hexadecimal).

import { createWriteStream } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const {
  JUDGE_API, JUDGE_TOKEN, JUDGE_PACKAGES, JUDGE_GUILD, JUDGE_CHANNEL, JUDGE_SPEAKER, JUDGE_HEARD,
} = process.env;
const require = createRequire(path.join(JUDGE_PACKAGES, 'package.json'));
const { Client, Events, GatewayIntentBits } = require('discord.js');
const {
  EndBehaviorType, VoiceConnectionStatus, entersState, joinVoiceChannel, version,
} = require('@discordjs/voice');

const report = (step, facts = {}) => process.stdout.write(`${JSON.stringify({ step, ok: true, ...facts })}\n`);
const debug = [];

function fail(step, error) {
  const line = JSON.stringify({ step, ok: false, error: String(error?.stack ?? error) });
  console.error(`ear: ${step}:`, error, debug.slice(-40).join('\n'));
  process.stdout.write(`${line}\n`, () => process.exit(1));
}

process.on('uncaughtException', (error) => fail('uncaught', error));
process.on('unhandledRejection', (error) => fail('unhandled', error));
// Nobody is left behind when the test that started us dies.
process.stdin.resume().on('end', () => process.exit(0));
setTimeout(() => fail('deadline', 'three minutes were not enough'), 180_000).unref();

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
  rest: { api: JUDGE_API },
});

client.once(Events.ClientReady, async () => {
  report('login', { library: `@discordjs/voice ${version}`, user: client.user.id });
  const guild = client.guilds.cache.get(JUDGE_GUILD);
  const connection = joinVoiceChannel({
    channelId: JUDGE_CHANNEL,
    guildId: guild.id,
    adapterCreator: guild.voiceAdapterCreator,
    selfDeaf: false,
    debug: true,
  });
  connection.on('debug', (line) => { if (line.includes('DAVE')) debug.push(line); });
  connection.on('error', (error) => fail('voice', error));
  const heard = createWriteStream(JUDGE_HEARD);
  const stream = connection.receiver.subscribe(JUDGE_SPEAKER, {
    end: { behavior: EndBehaviorType.Manual }, highWaterMark: 4_096,
  });
  stream.on('data', (packet) => heard.write(`${packet.toString('hex')}\n`));
  stream.on('error', (error) => fail('stream', error));
  await entersState(connection, VoiceConnectionStatus.Ready, 20_000);
  // The group is there when it has a code that people could compare.
  for (let tries = 0; !connection.voicePrivacyCode; tries += 1) {
    if (tries === 2_000) throw new Error(`there is no group:\n${debug.join('\n')}`);
    await sleep(10);
  }
  report('join', { code: connection.voicePrivacyCode });
});

client.on(Events.Error, (error) => fail('client', error));
await client.login(JUDGE_TOKEN);
