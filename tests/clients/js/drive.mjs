// A music bot on discord.js and a public Lavalink client, played by a test: each line of JSON
// on stdin says what to do ({"do": "seek", "ms": 20000}), each line on stdout what was done
// ({"did": "seek"}) or what the node told ({"event": "end", "reason": "finished"}).
//
// Environment: CLIENT (the file of an adapter), CLIENT_API (http://host:port/api of the
// simulated Discord), CLIENT_TOKEN, CLIENT_GUILD, CLIENT_CHANNEL, CLIENT_NODE (host:port),
// CLIENT_PASSWORD, CLIENT_PACKAGES (a folder with node_modules).

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';

const env = process.env;
const require = createRequire(path.join(env.CLIENT_PACKAGES, 'package.json'));
const { Client, Events, GatewayIntentBits } = require('discord.js');
const adapter = await import(`./${env.CLIENT}.mjs`);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function fail(doing, error) {
  console.error(`client: ${doing}:`, error);
  process.stdout.write(`${JSON.stringify({ failed: doing, error: String(error?.stack ?? error) })}\n`, () => process.exit(1));
}

process.on('uncaughtException', (error) => fail('uncaught', error));
process.on('unhandledRejection', (error) => fail('unhandled', error));

const bot = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates],
  rest: { api: env.CLIENT_API },
});
const [host, port] = env.CLIENT_NODE.split(':');
const place = {
  bot,
  require,
  version: (name) => JSON.parse(readFileSync(path.join(env.CLIENT_PACKAGES, 'node_modules', name, 'package.json'))).version,
  guild: env.CLIENT_GUILD,
  channel: env.CLIENT_CHANNEL,
  node: { host, port: Number(port), password: env.CLIENT_PASSWORD },
  event: (event, facts = {}) => say({ event, ...facts }),
};
const player = await adapter.open(place);
const ready = new Promise((resolve) => { bot.once(Events.ClientReady, resolve); });
await bot.login(env.CLIENT_TOKEN);
await ready;

// One thing after another, in the order of the lines. Nobody is left behind at their end.
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...args } = JSON.parse(line);
  try {
    say({ did: what, ...await player[what](args) });
  } catch (error) {
    fail(what, error);
    break;
  }
}
process.exit(0);
