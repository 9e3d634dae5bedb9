/** The real media path in a real browser: real encoder, real socket, real decoder, real canvas. `e2e/media.mjs` drives it. */
import type { MediaPort } from '../common/bindings/MediaPort';
import { Painter } from '../common/media/canvas';
import { MediaClient } from '../common/media/client';
import { TileDecoder } from '../common/media/decoder';
import { CODEC, MESSAGE_HEAD, RECORD_HEAD } from '../common/media/packed';

const W = 320;
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
    context.fillRect((i * W) / 32, H - H / 18, W / 32, H / 18);
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

function pack(tile: number, key: boolean, codec: number, capturedAt: number, data: Uint8Array): ArrayBuffer {
  const buffer = new ArrayBuffer(MESSAGE_HEAD + RECORD_HEAD + Math.ceil(data.length / 8) * 8);
  const view = new DataView(buffer);
  view.setUint8(0, 1);
  view.setUint16(2, 1, true);
  view.setUint32(4, ++sequence, true);
  view.setUint16(MESSAGE_HEAD, tile, true);
  view.setUint8(MESSAGE_HEAD + 2, key ? 1 : 0);
  view.setUint8(MESSAGE_HEAD + 3, codec);
  view.setUint16(MESSAGE_HEAD + 4, W, true);
  view.setUint16(MESSAGE_HEAD + 6, H, true);
  view.setFloat64(MESSAGE_HEAD + 8, capturedAt, true);
  view.setUint32(MESSAGE_HEAD + 16, data.length, true);
  new Uint8Array(buffer).set(data, MESSAGE_HEAD + RECORD_HEAD);
  return buffer;
}

export async function openProbe(target: HTMLElement): Promise<void> {
  const renew = async (): Promise<MediaPort> => (await fetch('/port')).json() as Promise<MediaPort>;
  const canvas = document.createElement('canvas');
  target.append(canvas);
  let unsupported = 0;
  const media = new MediaClient({ port: await renew(), renew, onUnsupported: () => unsupported++ });
  const painter = new Painter(canvas, media);
  painter.resize(640, 720);
  painter.setCells([0, 1, 2, 3].map((handle) => ({ id: String(handle), main: { handle, at: { x: 0, y: handle * H, w: W, h: H }, dim: false }, inset: null, caption: null, meter: null })));
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
    send: (handle: number, chunk: { key: boolean; data: number[] }, codec: number, capturedAt: number) => feed.send(pack(handle, chunk.key, codec, capturedAt, new Uint8Array(chunk.data))),
    i420: (luma: number) => [...new Uint8Array(W * H).fill(luma), ...new Uint8Array((W * H) / 2).fill(128)],
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
