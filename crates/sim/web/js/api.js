// What the page says to the server, and what it hears.

/** Sends a request; throws an `Error` with a sentence for the person. */
async function post(path, body) {
  let response;
  try {
    response = await fetch(`chat/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The simulator cannot be reached.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.message ?? "That did not work.");
  return answer;
}

export const sendCommand = (channel, name, options) => post("command", { channel_id: channel, name, options });
export const complete = (channel, name, options) => post("autocomplete", { channel_id: channel, name, options });
export const press = (channel, message, component, values) =>
  post("press", { channel_id: channel, message_id: message, custom_id: component, values });
export const say = (channel, content) => post("message", { channel_id: channel, content });
export const voice = (guild, channel) => post("voice", { guild_id: guild, channel_id: channel });

/** Follows what happens; `hear` gets every event, `status` whether there is a connection. */
export function follow(hear, status) {
  const source = new EventSource("chat/events");
  source.addEventListener("open", () => status(true));
  source.addEventListener("error", () => status(false));
  source.addEventListener("message", (event) => hear(JSON.parse(event.data)));
}
