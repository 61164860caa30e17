// npm: shoukaku

export async function open({
  bot, require, version, guild, channel, node, event,
}) {
  const { Connectors, Shoukaku } = require('shoukaku');
  const shoukaku = new Shoukaku(
    new Connectors.DiscordJS(bot),
    [{ name: 'node', url: `${node.host}:${node.port}`, auth: node.password }],
    { resume: true, resumeTimeout: 60, resumeByLibrary: false, reconnectTries: 20, reconnectInterval: 1 },
  );
  let first = true;
  const connected = new Promise((resolve) => {
    shoukaku.on('ready', (name, resumed) => {
      if (resumed) event('resumed');
      else if (!first) event('restarted');
      first = false;
      resolve();
    });
  });
  shoukaku.on('error', (name, error) => console.error('node:', error.message));
  let player;

  return {
    async connect() {
      await connected;
      player = await shoukaku.joinVoiceChannel({ guildId: guild, channelId: channel, shardId: 0, deaf: true });
      player.on('start', (data) => event('start', { title: data.track.info.title }));
      player.on('end', (data) => event('end', { reason: data.reason }));
      player.on('stuck', () => event('stuck'));
      player.on('exception', (data) => event('exception', { message: data.exception.message }));
      player.on('closed', (data) => event('closed', { code: data.code }));
      return { library: `shoukaku ${version('shoukaku')}`, session: player.node.sessionId };
    },
    async load({ url }) {
      const found = await player.node.rest.resolve(url);
      return { type: found.loadType, title: found.data.info?.title, ms: found.data.info?.length };
    },
    async play({ url }) {
      const found = await player.node.rest.resolve(url);
      await player.playTrack({ track: { encoded: found.data.encoded } });
    },
    async pause() { await player.setPaused(true); },
    async resume() { await player.setPaused(false); },
    async seek({ ms }) { await player.seekTo(ms); },
    async volume({ percent }) { await player.setGlobalVolume(percent); },
    async filter() { await player.setFilters({ lowPass: { smoothing: 20 } }); },
    async unfilter() { await player.clearFilters(); },
    async stop() { await player.stopTrack(); },
    async leave() { await shoukaku.leaveVoiceChannel(guild); },
  };
}
