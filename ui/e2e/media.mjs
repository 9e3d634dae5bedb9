// The media path, end to end in Chromium: packed messages over a socket, WebCodecs, one canvas; asserted on drawn pixels.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';
import { accept } from './socket.mjs';

const root = join(import.meta.dirname, '../out/site');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.woff2': 'font/woff2' };
let token = 0;
let media = null;
let opened = 0;
const replies = [];
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, 'http://x').pathname);
  if (path === '/port') return response.end(JSON.stringify({ port: server.address().port, token: String(++token), software_canvas: true, decode_in_app: false, measure: true }));
  const file = join(root, path);
  if (!file.startsWith(root) || !existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file));
});
server.on('upgrade', (request, socket) => {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/feed') return void accept(request, socket, (body) => media?.send(body));
  // One token, one connection.
  if (url.searchParams.get('token') !== String(token)) return socket.destroy();
  opened++;
  media = accept(request, socket, (body, text) => text && replies.push(JSON.parse(body.toString())));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage();
page.on('pageerror', (error) => { throw error; });
await page.goto(`http://127.0.0.1:${server.address().port}/states.html?app=media`);
await page.waitForFunction(() => window.probe);

const probe = (name, ...args) => page.evaluate(([n, a]) => window.probe[n](...a), [name, args]);
const reply = async (what, test) => {
  const end = Date.now() + 5000;
  while (!replies.some(test)) {
    if (Date.now() > end) assert.fail(`no reply: ${what}; got ${JSON.stringify(replies.slice(-6))}`);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  return replies.findLast(test);
};
const pixel = (what, handle, near) =>
  page.waitForFunction(([h, want]) => window.probe.pixel(h).every((value, i) => Math.abs(value - want[i]) < 40), [handle, near], { timeout: 5000 }).catch(async () => assert.fail(`${what}: pixel is ${await probe('pixel', handle)}`));
const step = (name) => console.log(`ok ${name}`);
const H264 = 0;
const RGBA = 2;
const now = () => Date.now() * 1000;

const codeUs = Math.floor(now() / 10_000) * 10_000;
const [key, delta] = await probe('h264', ['#c02020', '#2040c0'], codeUs);
assert.equal(key.key, true);
assert.equal(delta.key, false);

await probe('assign', 0, 'screen');
await probe('send', 0, delta, H264, now());
await reply('a key frame is asked for when a tile starts in the middle', (one) => one.type === 'key' && one.tile === 0);
assert.equal(await probe('status', 0), 'waiting');
step('a delta without its key frame is not decoded, a key frame is asked for');

await probe('send', 0, key, H264, 1_700_000_000_000_001);
await pixel('key frame', 0, [192, 32, 32]);
const drawn = await reply('the draw is reported', (one) => one.type === 'drawn' && one.tile === 0);
assert.equal(drawn.code_us, codeUs);
assert.equal(drawn.captured_at_us, 1_700_000_000_000_001);
assert.deepEqual([drawn.width, drawn.height], [320, 180]);
assert.ok(Math.abs(drawn.drawn_at_us - now()) < 60e6);
await probe('send', 0, delta, H264, now());
await pixel('delta frame', 0, [32, 64, 192]);
const second = await reply('the second draw', (one) => one.type === 'drawn' && one.tile === 0 && one.fingerprint !== drawn.fingerprint);
assert.equal(second.code_us, codeUs);
await reply('every message is acknowledged', (one) => one.type === 'ack' && one.sequence === 3);
step('H.264 Annex B without description is drawn, its time code read back');

await probe('assign', 1, 'camera');
await probe('send', 1, { key: true, data: await probe('rgba', 200) }, RGBA, now());
await pixel('raw', 1, [200, 200, 200]);
assert.equal((await reply('camera draw', (one) => one.type === 'drawn' && one.tile === 1)).code_us, null);
await probe('send', 1, { key: true, data: [1, 2, 3] }, RGBA, now());
step('a picture decoded by Rust is drawn; one of a wrong size is not');

await probe('avcc', true);
await probe('assign', 2, 'screen');
await probe('send', 2, key, H264, now());
await pixel('AVCC key', 2, [192, 32, 32]);
await probe('send', 2, delta, H264, now());
await pixel('AVCC delta', 2, [32, 64, 192]);
await probe('avcc', false);
step('H.264 with lengths and a description is drawn');

replies.length = 0;
await probe('assign', 0, 'screen');
await probe('send', 0, key, H264, now());
await pixel('again', 0, [192, 32, 32]);
await probe('send', 0, { key: true, data: [0, 0, 0, 1, 0x65, 1, 2, 3, 4, 5, 6, 7, 8, 9] }, H264, now());
await reply('a broken decoder asks for a key frame', (one) => one.type === 'key' && one.tile === 0);
assert.equal(await probe('status', 0), 'failed');
await probe('send', 0, key, H264, now());
await pixel('recovered', 0, [192, 32, 32]);
assert.equal(await probe('status', 0), 'live');
assert.equal(await probe('isAvcc'), false, 'one broken stream changes nothing for others');
assert.equal(await probe('proven'), true);
step('a decoder that fails starts again at the next key frame');

replies.length = 0;
await probe('gate', 0);
await probe('send', 0, key, H264, now());
await reply('acknowledged though gated', (one) => one.type === 'ack');
assert.equal(await probe('status', 0), 'waiting');
await probe('settle');
await reply('the missed key frame is asked for', (one) => one.type === 'key' && one.tile === 0);
step('a late frame of the source before is never shown as the source after');

const settled = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const grey = async (level) => ({ key: true, data: await probe('rgba', level) });
const pixelAt = (x, y, want) => page.waitForFunction(([px, py, value]) => Math.abs(window.probe.pixelAt(px, py)[0] - value) < 20, [x, y, want], { timeout: 5000 }).catch(async () => assert.fail(`at ${x},${y}: ${await probe('pixelAt', x, y)}`));
await probe('assign', 0, 'screen');
await probe('assign', 1, 'camera');
await probe('inset');
await probe('send', 1, await grey(200), RGBA, now());
await pixelAt(280, 150, 200);
await probe('send', 0, await grey(60), RGBA, now());
await pixelAt(20, 20, 60);
await settled();
await probe('draws');
await probe('send', 0, await grey(120), RGBA, now());
await pixelAt(20, 20, 120);
await pixelAt(280, 150, 200);
await settled();
assert.equal(await probe('draws'), 2, 'large pixels are copied, and the inset over them');
await probe('send', 1, await grey(30), RGBA, now());
await pixelAt(280, 150, 30);
await pixelAt(20, 20, 120);
await settled();
assert.equal(await probe('draws'), 2, 'a picture of two places is drawn once in each, and nothing else with it');
await probe('send', 0, key, H264, now());
await pixelAt(20, 20, 192);
await pixelAt(280, 150, 30);
await settled();
assert.equal(await probe('draws'), 1, 'a new large picture draws itself, not the inset');
await probe('inset');
await settled();
assert.equal(await probe('draws'), 0, 'the same cells again draw nothing');
step('a picture that arrives is drawn once where it stands, and nothing else with it');

const colours = Array.from({ length: 60 }, (_, i) => (i === 59 ? '#20c020' : `rgb(${i * 4} 40 90)`));
const long = await probe('h264', colours, codeUs);
replies.length = 0;
await probe('assign', 2, 'screen');
await probe('burst', 2, long.slice(0, 15), H264, now());
await pixel('a second of pictures at once', 2, [56, 40, 90]);
assert.ok(!replies.some((one) => one.type === 'key' && one.tile === 2), 'a second at once is decoded');
await probe('assign', 2, 'screen');
await probe('burst', 2, long, H264, now());
await reply('more than the bound waits for a key frame', (one) => one.type === 'key' && one.tile === 2);
await probe('send', 2, key, H264, now());
await pixel('and goes on there', 2, [192, 32, 32]);
step('a decoder holds a bounded number of pictures');

await probe('assign', 2, 'screen');
const asked = (await probe('keyTimes')).length;
const limit = Date.now() + 8000;
while ((await probe('keyTimes')).length < asked + 3 && Date.now() < limit) await probe('send', 2, delta, H264, now());
const times = (await probe('keyTimes')).slice(asked);
assert.equal(times.length, 3);
assert.ok(times.every((time, i) => i === 0 || time - times[i - 1] > 990), `key frames asked for at ${times}`);
step('a tile asks for a key frame at most once a second');

const before = opened;
media.close();
await page.waitForFunction(() => true);
const end = Date.now() + 8000;
while (opened === before && Date.now() < end) await page.evaluate(() => new Promise(requestAnimationFrame));
assert.equal(opened, before + 1, 'one new connection with a new token');
await probe('send', 3, { key: true, data: await probe('rgba', 120) }, RGBA, now());
await pixel('after reconnect', 3, [120, 120, 120]);
assert.equal(await probe('unsupported'), 0);
step('a lost media port is opened again with a new token');

await browser.close();
server.close();
console.log('media: 10 steps passed');
