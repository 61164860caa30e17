// Draws what is heard: bars that follow the spectrum, and rest when there is none.

const BARS = 36;

/** A level meter on a canvas. */
export class Meter {
  #canvas;
  #ear;
  #levels = new Float32Array(BARS);
  #bins = new Uint8Array(512);
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas, ear) {
    this.#canvas = canvas;
    this.#ear = ear;
  }

  /** Draws from now on. */
  start() {
    const frame = () => {
      if (!document.hidden) this.#draw();
      if (this.#calm.matches) setTimeout(() => requestAnimationFrame(frame), 250);
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  #draw() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (clientWidth === 0) return;
    const scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(clientWidth * scale);
    const height = Math.round(clientHeight * scale);
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#measure();
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const step = width / BARS;
    const bar = Math.max(2 * scale, step * 0.58);
    const fill = context.createLinearGradient(0, 0, width, 0);
    fill.addColorStop(0, "#ffc46b");
    fill.addColorStop(1, "#ff7a59");
    for (let index = 0; index < BARS; index += 1) {
      const level = this.#levels[index];
      const tall = Math.max(3 * scale, level * height * 0.94);
      context.globalAlpha = level > 0.02 ? 0.55 + 0.45 * level : 0.28;
      context.fillStyle = level > 0.02 ? fill : "#6b7690";
      context.beginPath();
      context.roundRect(index * step + (step - bar) / 2, (height - tall) / 2, bar, tall, bar / 2);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  #measure() {
    const { analyser } = this.#ear;
    if (analyser && this.#ear.on) analyser.getByteFrequencyData(this.#bins);
    else this.#bins.fill(0);
    // Low notes in the middle, and as many bars for each octave.
    const half = BARS / 2;
    for (let index = 0; index < half; index += 1) {
      const from = Math.floor(1.5 * 1.29 ** index);
      const to = Math.min(Math.max(from + 1, Math.floor(1.5 * 1.29 ** (index + 1))), 400);
      let loudest = 0;
      for (let bin = from; bin < to; bin += 1) loudest = Math.max(loudest, this.#bins[bin]);
      const target = Math.max(0, (loudest - 60) / 195) ** 1.5;
      for (const place of [half - 1 - index, half + index]) {
        const now = this.#levels[place];
        this.#levels[place] = now + (target - now) * (target > now ? 0.55 : 0.16);
      }
    }
  }
}
