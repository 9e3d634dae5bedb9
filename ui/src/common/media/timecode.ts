/** Measure mode: the time code that another process paints at the bottom of the candidate's screen, read back from the
 * picture as it was drawn. Strip: full width, a 18th of the height, 32 cells: white, black, 24 bits of
 * (unix_us / 10000) mod 2^24, 4 bits of their nibbles' xor, black, white. */
import type { Picture } from './types';

const CELLS = 32;
const CELL_PX = 3;
const UNIT_US = 10_000;
const WRAP = 2 ** 24;
/** Grey levels between a white and a black cell, below which there is no strip. */
const MIN_CONTRAST = 60;

/** Brightness of the cells, 0 to 255 -> the code, or null when sync cells or checksum don't fit. */
export function decodeCells(cells: readonly number[]): number | null {
  if (cells.length !== CELLS) return null;
  const at = (i: number) => cells[i] ?? 0;
  const white = Math.min(at(0), at(31));
  const black = Math.max(at(1), at(30));
  if (white - black < MIN_CONTRAST) return null;
  const middle = (white + black) / 2;
  const number = (from: number, to: number) => {
    let value = 0;
    for (let i = from; i < to; i++) value = value * 2 + (at(i) > middle ? 1 : 0);
    return value;
  };
  const code = number(2, 26);
  let check = 0;
  for (let shift = 0; shift < 24; shift += 4) check ^= (code >> shift) & 0xf;
  return check === number(26, 30) ? code : null;
}

/** The time nearest to `nowUs` that has this code. */
export function unwrapCode(code: number, nowUs: number): number {
  const now = Math.floor(nowUs / UNIT_US);
  let behind = (((now - code) % WRAP) + WRAP) % WRAP;
  if (behind > WRAP / 2) behind -= WRAP;
  return (now - behind) * UNIT_US;
}

/** The whole picture in so few pixels that the strip is three rows high: one small draw and one small read each. */
const WIDTH = CELLS * CELL_PX;
const HEIGHT = 54;
const STRIP_ROW = HEIGHT - 2;
/** Every such pixel counts for the fingerprint. */
const STEP = 7;
let scratch: CanvasRenderingContext2D | null | undefined;

function surface(): CanvasRenderingContext2D | null {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  return canvas.getContext('2d', { alpha: false, willReadFrequently: true });
}

export interface Reading {
  /** Microseconds since the Unix epoch, or null when the picture holds no readable code. */
  codeUs: number | null;
  /** FNV-1a over a few pixels: two pictures with different content almost always differ in it. */
  fingerprint: number;
}

/** What a picture shows. `coded`: it is a screen, which may carry the strip. */
export function read(picture: Picture, nowUs: number, coded: boolean): Reading {
  const context = (scratch ??= surface());
  if (!context) return { codeUs: null, fingerprint: 0 };
  context.drawImage(picture.image, 0, 0, WIDTH, HEIGHT);
  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  let hash = 0x811c9dc5;
  for (let at = 1; at < data.length; at += 4 * STEP) hash = Math.imul(hash ^ (data[at] ?? 0), 0x01000193);
  if (!coded) return { codeUs: null, fingerprint: hash >>> 0 };
  const cells = Array.from({ length: CELLS }, (_, cell) => data[(STRIP_ROW * WIDTH + cell * CELL_PX + 1) * 4 + 1] ?? 0);
  const code = decodeCells(cells);
  return { codeUs: code === null ? null : unwrapCode(code, nowUs), fingerprint: hash >>> 0 };
}
