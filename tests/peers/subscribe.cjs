// pusher-js, the official client, on node: subscribes, and says on standard output what happens.
//
//   node subscribe.cjs HOST PORT KEY CHANNEL AUTH_URL
//
// One line of JSON per happening: {"state": …}, {"bound": event, "data": …}. Lines on standard input
// are sent as client events: {"event": …, "data": …}. Ends with its input.
const Pusher = require("pusher-js");
const readline = require("node:readline");

const [host, port, key, channelName, authUrl] = process.argv.slice(2);
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const pusher = new Pusher(key, {
  cluster: "",
  wsHost: host,
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ["ws"],
  disableStats: true,
  activityTimeout: 2_000,
  pongTimeout: 2_000,
  channelAuthorization: { endpoint: authUrl, transport: "ajax" },
});
pusher.connection.bind("state_change", ({ current }) => tell({ state: current }));
pusher.connection.bind("error", (error) => tell({ error: error?.data ?? String(error) }));
const channel = pusher.subscribe(channelName);
channel.bind_global((event, data) => tell({ bound: event, data: data ?? null }));

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { event, data } = JSON.parse(line);
  tell({ triggered: channel.trigger(event, data) });
});
lines.on("close", () => process.exit(0));
