// Puts the parts of the page together.

import { follow } from "./api.js";
import * as composer from "./composer.js";
import * as frame from "./frame.js";
import * as messages from "./messages.js";
import * as stage from "./stage.js";
import { toast } from "./dom.js";
import { announce, on, state, take } from "./state.js";

frame.start();
messages.start();
stage.start();
composer.start();
on("failed", (text) => toast(text, "bad"));

follow(take, (connected) => {
  if (state.connected === connected) return;
  state.connected = connected;
  announce("connection");
});
