// npm: lavalink-client

export async function open({
  bot, require, version, guild, channel, node, event,
}) {
  const { LavalinkManager } = require('lavalink-client');
  const manager = new LavalinkManager({
    nodes: [{
      id: 'node', host: node.host, port: node.port, authorization: node.password, retryDelay: 300, retryAmount: 50,
    }],
    sendToShard: (id, payload) => bot.guilds.cache.get(id)?.shard?.send(payload),
    client: { id: '0', username: 'client' },
    autoSkip: false,
  });
  bot.lavalink = manager;
  bot.on('raw', (packet) => manager.sendRawData(packet));
  manager.on('trackStart', (_, track) => event('start', { title: track.info.title }));
  manager.on('trackEnd', (_, track, payload) => event('end', { reason: payload.reason }));
  // The end of the last track it tells as the end of the queue only.
  manager.on('queueEnd', (_, track, payload) => event('end', { reason: payload.reason }));
  manager.on('trackStuck', () => event('stuck'));
  manager.on('trackError', (_, track, payload) => event('exception', { message: payload.exception?.message }));
  manager.on('playerSocketClosed', (_, payload) => event('closed', { code: payload.code }));
  manager.nodeManager.on('resumed', () => event('resumed'));
  manager.nodeManager.on('error', (_, error) => console.error('node:', error?.message));
  let player;

  return {
    async connect() {
      const connected = new Promise((resolve) => { manager.nodeManager.once('connect', resolve); });
      await manager.init({ id: bot.user.id, username: bot.user.username });
      await connected;
      const [lavalink] = manager.nodeManager.nodes.values();
      await lavalink.updateSession(true, 60_000);
      // What a bot stores to resume; without it the library begins a new session.
      lavalink.options.sessionId = lavalink.sessionId;
      player = manager.createPlayer({ guildId: guild, voiceChannelId: channel, selfDeaf: true, volume: 100 });
      await player.connect();
      return { library: `lavalink-client ${version('lavalink-client')}`, session: lavalink.sessionId };
    },
    async load({ url }) {
      const found = await player.search({ query: url, source: 'http' }, bot.user);
      return { type: found.loadType, title: found.tracks[0]?.info.title, ms: found.tracks[0]?.info.duration };
    },
    async play({ url }) {
      const found = await player.search({ query: url, source: 'http' }, bot.user);
      await player.queue.add(found.tracks[0]);
      await player.play();
    },
    async pause() { await player.pause(); },
    async resume() { await player.resume(); },
    async seek({ ms }) { await player.seek(ms); },
    async volume({ percent }) { await player.setVolume(percent); },
    async filter() { await player.filterManager.toggleLowPass(20); },
    async unfilter() { await player.filterManager.resetFilters(); },
    async stop() { await player.stopPlaying(true, false); },
    async leave() { await player.destroy('done', true); },
  };
}
