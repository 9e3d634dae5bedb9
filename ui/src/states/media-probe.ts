/** The real media path in a real browser: real encoder, real socket, real decoder, real canvas. `e2e/media.mjs` drives it. */
import type { MediaPort } from '../common/bindings/MediaPort';
import { type Cell, Painter, type Slot } from '../common/media/canvas';
import { MediaClient } from '../common/media/client';
import { TileDecoder } from '../common/media/decoder';
import { CODEC, MESSAGE_HEAD, RECORD_HEAD } from '../common/media/packed';

const W = 320;
/** The strip's share of the width. */
const STRIP = 5 / 8;
const H = 180;
let sequence = 0;

interface Encoded {
  key: boolean;
  data: Uint8Array<ArrayBuffer>;
}

/** A flat picture with the time code of measure mode at its bottom. */
function draw(colour: string, codeUs: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [W, H];
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no canvas');
  context.fillStyle = colour;
  context.fillRect(0, 0, W, H);
  const code = Math.floor(codeUs / 10_000) % 2 ** 24;
  let check = 0;
  for (let shift = 0; shift < 24; shift += 4) check ^= (code >> shift) & 0xf;
  const bits = (value: number, count: number) => Array.from({ length: count }, (_, i) => (value >> (count - 1 - i)) & 1);
  [1, 0, ...bits(code, 24), ...bits(check, 4), 0, 1].forEach((bit, i) => {
    context.fillStyle = bit ? '#fff' : '#000';
    context.fillRect((i * W * STRIP) / 32, H - H / 18, (W * STRIP) / 32, H / 18);
  });
  return canvas;
}

async function encode(frames: HTMLCanvasElement[]): Promise<Encoded[]> {
  const out: Encoded[] = [];
  const encoder = new VideoEncoder({
    output: (chunk) => {
      const data = new Uint8Array(chunk.byteLength);
      chunk.copyTo(data);
      out.push({ key: chunk.type === 'key', data });
    },
    error: (error) => {
      throw error;
    },
  });
  encoder.configure({ codec: 'avc1.42C01F', width: W, height: H, bitrate: 2_000_000, framerate: 10, latencyMode: 'realtime', avc: { format: 'annexb' } });
  frames.forEach((canvas, i) => {
    const frame = new VideoFrame(canvas, { timestamp: i * 100_000 });
    encoder.encode(frame, { keyFrame: i === 0 });
    frame.close();
  });
  await encoder.flush();
  encoder.close();
  return out;
}

/** One message with all chunks of one tile. */
function pack(tile: number, chunks: { key: boolean; data: number[] }[], codec: number, capturedAt: number): ArrayBuffer {
  const room = (chunk: { data: number[] }) => RECORD_HEAD + Math.ceil(chunk.data.length / 8) * 8;
  const buffer = new ArrayBuffer(MESSAGE_HEAD + chunks.reduce((sum, chunk) => sum + room(chunk), 0));
  const view = new DataView(buffer);
  view.setUint8(0, 1);
  view.setUint16(2, chunks.length, true);
  view.setUint32(4, ++sequence, true);
  let at = MESSAGE_HEAD;
  for (const chunk of chunks) {
    view.setUint16(at, tile, true);
    view.setUint8(at + 2, chunk.key ? 1 : 0);
    view.setUint8(at + 3, codec);
    view.setUint16(at + 4, W, true);
    view.setUint16(at + 6, H, true);
    view.setFloat64(at + 8, capturedAt, true);
    view.setUint32(at + 16, chunk.data.length, true);
    view.setUint16(at + 20, W, true);
    view.setUint16(at + 22, H, true);
    new Uint8Array(buffer).set(chunk.data, at + RECORD_HEAD);
    at += room(chunk);
  }
  return buffer;
}

export async function openProbe(target: HTMLElement): Promise<void> {
  const renew = async (): Promise<MediaPort> => (await fetch('/port')).json() as Promise<MediaPort>;
  const canvas = document.createElement('canvas');
  target.append(canvas);
  let unsupported = 0;
  const draws: number[] = [];
  const keyTimes: number[] = [];
  const drawImage = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (this: CanvasRenderingContext2D, ...args: unknown[]) {
    if (this.canvas === canvas) draws.push(performance.now());
    Reflect.apply(drawImage, this, args);
  };
  const putImageData = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (this: CanvasRenderingContext2D, ...args: unknown[]) {
    if (this.canvas === canvas) draws.push(performance.now());
    Reflect.apply(putImageData, this, args);
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (typeof data === 'string' && data.includes('"key"')) keyTimes.push(performance.now());
    send.call(this, data);
  };
  const media = new MediaClient({ port: await renew(), renew, onUnsupported: () => unsupported++ });
  const painter = new Painter(canvas, media);
  painter.resize(640, 720);
  const cells = (inset: Slot | null): Cell[] =>
    [0, 1, 2, 3].map((handle) => ({ id: String(handle), main: { handle, at: { x: 0, y: handle * H, w: W, h: H }, dim: false }, inset: handle === 0 ? inset : null, caption: null, meter: null }));
  painter.setCells(cells(null));
  const feed = new WebSocket(`ws://${location.host}/feed`);
  await new Promise((done) => feed.addEventListener('open', done));

  const probe = {
    /** Assigns a handle as the wall does. */
    assign: (handle: number, kind: string) => {
      media.assign(handle, { participant: 'p', publication: `${kind}/0` });
      media.settled();
    },
    gate: (handle: number) => media.assign(handle, { participant: 'q', publication: 'camera/0' }),
    settle: () => media.settled(),
    h264: async (colours: string[], codeUs: number) => (await encode(colours.map((colour) => draw(colour, codeUs)))).map((chunk) => ({ key: chunk.key, data: [...chunk.data] })),
    send: (handle: number, chunk: { key: boolean; data: number[] }, codec: number, capturedAt: number) => feed.send(pack(handle, [chunk], codec, capturedAt)),
    burst: (handle: number, chunks: { key: boolean; data: number[] }[], codec: number, capturedAt: number) => feed.send(pack(handle, chunks, codec, capturedAt)),
    /** The first cell gets the second handle as its inset. */
    inset: () => painter.setCells(cells({ handle: 1, at: { x: W - 84, y: H - 50, w: 80, h: 45 }, dim: false })),
    /** Pictures drawn on the wall's canvas since the last question. */
    draws: () => draws.splice(0).length,
    /** When key frames were asked for, milliseconds of this page's clock. */
    keyTimes: () => keyTimes,
    pixelAt: (x: number, y: number) => [...(canvas.getContext('2d')?.getImageData(x, y, 1, 1).data ?? [])].slice(0, 3),
    rgba: (grey: number) => [...new Uint8Array(W * H * 4).map((_, at) => (at % 4 === 3 ? 255 : grey))],
    pixel: (handle: number) => [...(canvas.getContext('2d')?.getImageData(W / 2, handle * H + H / 2, 1, 1).data ?? [])].slice(0, 3),
    status: (handle: number) => media.status(handle),
    avcc: (on: boolean) => (TileDecoder.avcc = on),
    isAvcc: () => TileDecoder.avcc,
    proven: () => TileDecoder.proven,
    unsupported: () => unsupported,
    codec: CODEC,
  };
  Object.assign(window, { probe });
}
