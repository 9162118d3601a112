// pusher, the official publisher, on node: publishes, asks, and says what it was answered.
//
//   node publish.cjs HOST PORT APP_ID KEY SECRET CHANNEL
const Pusher = require("pusher");

const [host, port, appId, key, secret, channel] = process.argv.slice(2);
const pusher = new Pusher({ appId, key, secret, host, port, useTLS: false });

async function main() {
  const published = await pusher.trigger([channel, "news"], "command", {
    seq: 1,
    text: "Senén «»",
  });
  const batch = await pusher.triggerBatch([{ channel, name: "settings", data: { version: 2 } }]);
  const asked = await pusher.get({ path: "/channels", params: { info: "subscription_count" } });
  const one = await pusher.get({ path: `/channels/${channel}` });
  const stranger = new Pusher({ appId, key, secret: "another", host, port, useTLS: false });
  const refused = await stranger.trigger(channel, "command", {}).catch((error) => error.status);
  return {
    published: published.status,
    batch: batch.status,
    channels: (await asked.json()).channels,
    occupied: (await one.json()).occupied,
    refused,
  };
}

main().then((told) => process.stdout.write(JSON.stringify(told)));
