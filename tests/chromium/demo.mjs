// Uses the demo page in a real Chromium as a person does: types /play, hears it, presses skip.
//
//   node demo.mjs URL FOLDER [QUERY] [OTHER_QUERY]
//
// Pictures go to FOLDER. Prints one JSON object; the exit code is 0 only if all checks passed.
// CHROMIUM names the browser, BACKLINE_CHROMIUM_PACKAGES the folder whose node_modules to use.

import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [url, folder, query = "nocturne", other = "waltz"] = process.argv.slice(2);
if (!url || !folder) {
  console.error("usage: node demo.mjs URL FOLDER [QUERY] [OTHER_QUERY]");
  process.exit(3);
}
const packages = process.env.BACKLINE_CHROMIUM_PACKAGES ?? import.meta.dirname;
const { chromium } = createRequire(path.join(packages, "package.json"))("playwright-core");

const PATIENCE = 30_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

const report = { ok: false, url, checks: {}, complaints: [], pictures: [] };
const check = (name, value) => {
  report.checks[name] = value;
  if (!value) throw new Error(`check failed: ${name}`);
};

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
try {
  await visit(await browser.newContext({ viewport: { width: 1280, height: 800 } }));
  report.ok = report.complaints.length === 0;
} catch (error) {
  report.complaints.push(error.message);
} finally {
  await browser.close();
}
console.log(JSON.stringify(report, null, 2));
process.exitCode = report.ok ? 0 : 1;

async function visit(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const origin = new URL(url).origin;
  page.on("pageerror", (error) => report.complaints.push(`script: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && report.complaints.push(`console: ${message.text()}`));
  page.on("request", (request) => {
    const target = request.url();
    if (!target.startsWith(origin) && !target.startsWith("blob:") && !target.startsWith("data:")) report.complaints.push(`left the machine: ${target}`);
  });
  // The page's own level meter is read, so that what is measured is what goes to the loudspeaker.
  await page.addInitScript(() => {
    const make = BaseAudioContext.prototype.createAnalyser;
    BaseAudioContext.prototype.createAnalyser = function createAnalyser(...rest) {
      window.heardBy = make.apply(this, rest);
      return window.heardBy;
    };
  });

  try {
    await page.goto(url);
    await page.locator(".channel[aria-current=true]").waitFor();
    check("guild", (await page.locator(".guild").count()) > 0);
    check("escapes_are_read", await page.evaluate(async () => (await import("/js/markdown.js")).markdown("\\_a\\_ \\*b\\* c\\:d").textContent === "_a_ *b* c:d"));
    await picture(page, "welcome");

    await command(page, "play", query);
    const skip = page.locator('.message .piece[data-id="np:skip"]').last();
    await skip.waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll('[data-id="np:skip"]')].at(-1)?.disabled === false, null, { timeout: PATIENCE });
    const first = await nowPlaying(page);
    report.first = first;
    check("now_playing", first.length > 0);

    if ((await page.locator("#listen").getAttribute("aria-pressed")) !== "true") await page.locator("#listen").click();
    await listen(page, "heard");
    check("speaking_ring", await eventually(page, () => document.querySelector(".occupant.speaking") !== null));
    await picture(page, "playing");

    await command(page, "play", other);
    await page.locator(".message.private .privacy button").first().waitFor();
    check("private_answer", (await page.locator(".message.private").first().textContent()).includes("Only you can see this"));
    check("queued", await eventually(page, () => [...document.querySelectorAll(".message .container")].some((box) => box.textContent.includes("Up next"))));
    await picture(page, "queued");

    const panel = page.locator(".message:has([data-id='np:skip'])").last();
    await panel.locator("[data-id='np:skip']").click();
    check("skipped", await eventually(page, titleIsNot, first));
    report.second = await nowPlaying(page);
    await listen(page, "heard_after_skip");
    await picture(page, "skipped");

    await typed(page, "play", query.slice(0, 3));
    check("history_completion", await page.locator('#popup [role="option"]').first().waitFor().then(() => true, () => false));
    await picture(page, "suggested");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");

    const privates = await page.locator(".message.private").count();
    await page.locator(".message.private .privacy button").first().click();
    check("dismissed", await eventually(page, (before) => document.querySelectorAll(".message.private").length < before, privates));
    check("every_button_has_a_name", await page.evaluate(() => [...document.querySelectorAll("button")].every((button) => (button.getAttribute("aria-label") ?? button.textContent).trim() !== "")));

    await page.setViewportSize({ width: 390, height: 844 });
    check("fits_a_phone", await eventually(page, () => document.documentElement.scrollWidth <= innerWidth));
    await picture(page, "phone");
  } catch (error) {
    await picture(page, "failed").catch(() => {});
    throw error;
  }
}

/** Sends a command with one option, as a person would. */
async function command(page, name, text) {
  await typed(page, name, text);
  await page.keyboard.press("Enter");
  await page.locator("#composer").waitFor();
}

/** Types a command and its option, picking the command from the list. */
async function typed(page, name, text) {
  await page.locator("#composer").click();
  await page.keyboard.type(`/${name.slice(0, -1)}`);
  const choice = page.locator(`#popup [data-choice="${name}"]`);
  await choice.waitFor();
  if (!report.checks.command_completion) {
    await picture(page, "commands");
    check("command_completion", true);
  }
  await choice.click();
  await page.locator(".command .option input").first().waitFor();
  await page.keyboard.type(text);
}

/** Checks that the element's time goes on, at the speed of time, and that there is sound. */
async function listen(page, name) {
  check(`${name}_begins`, await eventually(page, () => document.getElementById("voice-audio").currentTime > 0.2));
  const measured = await page.evaluate(async () => {
    const audio = document.getElementById("voice-audio");
    const began = performance.now();
    const from = audio.currentTime;
    const samples = new Float32Array(window.heardBy?.fftSize ?? 0);
    let loudest = 0;
    while (performance.now() - began < 3_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      window.heardBy?.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / (samples.length || 1)));
    }
    return { seconds: (performance.now() - began) / 1_000, advanced: audio.currentTime - from, loudest, paused: audio.paused };
  });
  report[name] = measured;
  check(`${name}_time_goes_on`, !measured.paused && measured.advanced > 0.6 * measured.seconds);
  check(`${name}_is_not_silence`, measured.loudest > 0.003);
}

async function nowPlaying(page) {
  return page.evaluate(() => [...document.querySelectorAll(".message:has([data-id='np:skip'])")].at(-1)?.querySelector(".text h3")?.textContent ?? "");
}

function titleIsNot(first) {
  const panel = [...document.querySelectorAll(".message:has([data-id='np:skip'])")].at(-1);
  const title = panel?.querySelector(".text h3")?.textContent;
  return Boolean(title) && title !== first;
}

async function eventually(page, condition, argument) {
  return page.waitForFunction(condition, argument, { timeout: PATIENCE }).then(() => true, () => false);
}

async function picture(page, name) {
  const file = path.join(folder, `${name}.png`);
  await page.waitForTimeout(350);
  await page.screenshot({ path: file });
  report.pictures.push(file);
}
