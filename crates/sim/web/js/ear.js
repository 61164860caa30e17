// Hears a voice channel: a live stream of Opus fed to an <audio> element.

import { element } from "./dom.js";

const WEBM = 'audio/webm; codecs="opus"';

/** Feeds the element from a fetched stream, so that it stays close to what is said now. */
export class Ear extends EventTarget {
  audio = element("audio", { id: "voice-audio", preload: "none" });
  analyser = null;
  problem = null;
  on = false;
  guild = null;
  #abort = null;
  #context = null;
  #opened = false;
  #starved = false;

  constructor() {
    super();
    this.audio.addEventListener("error", () => this.on && !this.#media() && this.#fail("The sound could not be decoded."));
  }

  /** Listens to a guild. To be called on a gesture of the person, else browsers stay silent. */
  async start(guild) {
    this.stop();
    this.on = true;
    this.guild = guild;
    this.problem = null;
    this.#listenIn();
    const abort = new AbortController();
    this.#abort = abort;
    this.#changed();
    try {
      if (this.#media()?.isTypeSupported(WEBM)) await this.#stream(guild, abort);
      else await this.#follow(guild);
    } catch (error) {
      if (!abort.signal.aborted) this.#fail(error.name === "NotAllowedError" ? "The browser wants a click on Listen first." : "The voice stream broke off.");
    }
  }

  /** Stops listening. */
  stop() {
    this.#abort?.abort();
    this.#abort = null;
    if (this.audio.src) {
      this.audio.pause();
      URL.revokeObjectURL(this.audio.src);
      this.audio.removeAttribute("src");
      this.audio.load();
    }
    this.#opened = false;
    if (this.on) {
      this.on = false;
      this.#changed();
    }
  }

  /** Seconds between what is heard here and what has come, or `null` before sound. */
  behind() {
    const { buffered, currentTime } = this.audio;
    if (!this.on || !this.#opened || buffered.length === 0 || currentTime === 0) return null;
    return Math.max(0, buffered.end(buffered.length - 1) - currentTime);
  }

  #media() {
    return window.MediaSource ?? window.ManagedMediaSource;
  }

  /** Plays with Media Source Extensions: latency is in our hands. */
  async #stream(guild, abort) {
    const media = new (this.#media())();
    this.audio.disableRemotePlayback = true;
    this.audio.src = URL.createObjectURL(media);
    const started = this.audio.play();
    started.catch(() => {});
    await event(media, "sourceopen", abort.signal);
    // The person's gesture has unlocked the element; it begins when enough has come.
    this.audio.pause();
    this.#starved = true;
    const buffer = media.addSourceBuffer(WEBM);
    const response = await fetch(`chat/audio/${guild}.webm`, { signal: abort.signal });
    if (!response.ok) throw new Error("no stream");
    const reader = response.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the stream ended");
      buffer.appendBuffer(value);
      await event(buffer, "updateend", abort.signal);
      this.#opened = true;
      await this.#keepUp(buffer, abort.signal);
    }
  }

  /** Stays near the end of what has come, and lets go of what was heard. */
  async #keepUp(buffer, signal) {
    const { audio } = this;
    if (buffer.buffered.length === 0) return;
    const begin = buffer.buffered.start(0);
    const end = buffer.buffered.end(buffer.buffered.length - 1);
    const behind = end - audio.currentTime;
    if (audio.currentTime < begin || behind > FAR) {
      audio.currentTime = Math.max(begin, end - NEAR);
    } else if (this.#starved) {
      // One longer pause is heard less than many short ones.
      if (behind < NEAR) return;
      this.#starved = false;
      await audio.play();
    } else if (behind < 0.02) {
      this.#starved = true;
      audio.pause();
    } else {
      audio.playbackRate = behind > NEAR * 2 ? 1.03 : 1;
      if (audio.paused) await audio.play();
    }
    if (audio.currentTime - begin > KEPT) {
      buffer.remove(0, audio.currentTime - KEPT / 2);
      await event(buffer, "updateend", signal);
    }
  }

  /** Plays the stream as it is, where Media Source Extensions cannot take Opus. */
  async #follow(guild) {
    this.audio.src = `chat/audio/${guild}.ogg?${Date.now()}`;
    this.#opened = true;
    await this.audio.play();
  }

  /** Connects the level meter; without WebAudio there is sound all the same. */
  #listenIn() {
    if (this.#context) {
      this.#context.resume();
      return;
    }
    try {
      this.#context = new AudioContext({ latencyHint: "interactive" });
      this.analyser = this.#context.createAnalyser();
      this.analyser.fftSize = 1024;
      this.analyser.smoothingTimeConstant = 0.78;
      this.#context.createMediaElementSource(this.audio).connect(this.analyser);
      this.analyser.connect(this.#context.destination);
      this.#context.resume();
    } catch {
      this.analyser = null;
    }
  }

  #fail(problem) {
    this.problem = problem;
    this.stop();
    this.problem = null;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function event(target, name, signal) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { once: true });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Seconds behind the newest sound: aimed at, and where it leaps forward. */
const NEAR = 0.35;
const FAR = 2;
/** Seconds of heard sound that are kept. */
const KEPT = 20;
