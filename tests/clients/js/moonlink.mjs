// npm: moonlink.js

export async function open({
  bot, require, version, guild, channel, node, event,
}) {
  const { Connectors, Manager } = require('moonlink.js');
  const manager = new Manager({
    nodes: [{
      identifier: 'node', host: node.host, port: node.port, password: node.password, secure: false,
    }],
    // What it needs to resume it stores in a file below the working folder.
    options: { resume: true, resumeTimeout: 60_000, clientName: `moonlink.js/${version('moonlink.js')}` },
  });
  const connected = new Promise((resolve) => { manager.once('nodeReady', resolve); });
  manager.use(new Connectors.DiscordJs(), bot);
  manager.on('trackStart', (_, track) => event('start', { title: track.title }));
  manager.on('trackEnd', (_, track, reason, payload) => event('end', { reason: payload?.reason ?? reason }));
  manager.on('trackStuck', () => event('stuck'));
  manager.on('trackException', (_, track, exception) => event('exception', { message: exception?.message }));
  manager.on('socketClosed', (_, code) => event('closed', { code }));
  manager.on('nodeResume', () => event('resumed'));
  manager.on('nodeError', (_, error) => console.error('node:', error?.message));
  let player;

  return {
    async connect() {
      await connected;
      player = manager.players.create({
        guildId: guild, voiceChannelId: channel, textChannelId: channel, volume: 100, autoPlay: false,
      });
      await player.connect({ selfDeaf: true });
      return { library: `moonlink.js ${version('moonlink.js')}`, session: player.node.sessionId };
    },
    async load({ url }) {
      const found = await manager.search({ query: url, requester: bot.user.id });
      return { type: found.loadType, title: found.tracks[0]?.title, ms: found.tracks[0]?.duration };
    },
    async play({ url }) {
      const found = await manager.search({ query: url, requester: bot.user.id });
      player.queue.add(found.tracks[0]);
      await player.play();
    },
    async pause() { await player.pause(); },
    async resume() { await player.resume(); },
    async seek({ ms }) { await player.seek(ms); },
    async volume({ percent }) { await player.setVolume(percent); },
    async filter() { await player.filters.setLowPass({ smoothing: 20 }).apply(); },
    async unfilter() { await player.filters.clear().apply(); },
    async stop() { await player.stop(); },
    async leave() { await player.destroy(); },
  };
}
