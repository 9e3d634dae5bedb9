/** Measure mode: the time code that another process paints at the bottom of the candidate's screen, read back from the
 * picture as it was drawn. Strip: 5/8 of the width from the left, a 18th of the height, 32 cells: white, black, 24 bits of
 * (unix_us / 10000) mod 2^24, 4 bits of their nibbles' xor, black, white. */
import type { Rect } from './types';

const CELLS = 32;
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

/** Rows that are read, as shares of the picture's height; the last one lies in the strip. Reading back a few rows of what was
 * drawn costs a fraction of drawing the picture once more. */
const ROWS = [0.5, 0.72, 1 - 1 / 36];
/** Every such pixel counts for the fingerprint. */
const STEP = 5;
/** The strip's share of the picture's width; the focus view lays the camera over the rest. */
const STRIP = 5 / 8;
/** Narrower strips have less than two pixels for a cell. */
const MIN_WIDTH = CELLS * 2;

export interface Reading {
  /** Microseconds since the Unix epoch, or null when the picture holds no readable code. */
  codeUs: number | null;
  /** FNV-1a over a few pixels: two pictures with different content almost always differ in it. */
  fingerprint: number;
}

/** What a picture shows where it was drawn, in device pixels. `coded`: it is a screen, which may carry the strip. */
export function read(context: CanvasRenderingContext2D, at: Rect, nowUs: number, coded: boolean): Reading {
  const width = Math.floor(at.w);
  if (width < 1 || at.h < 1) return { codeUs: null, fingerprint: 0 };
  let hash = 0x811c9dc5;
  let strip: Uint8ClampedArray | null = null;
  for (const share of ROWS) {
    const { data } = context.getImageData(Math.round(at.x), Math.min(Math.floor(at.y + at.h * share), Math.ceil(at.y + at.h) - 1), width, 1);
    for (let pixel = 1; pixel < data.length; pixel += 4 * STEP) hash = Math.imul(hash ^ (data[pixel] ?? 0), 0x01000193);
    strip = data;
  }
  if (!coded || !strip || width * STRIP < MIN_WIDTH) return { codeUs: null, fingerprint: hash >>> 0 };
  const row = strip;
  const cells = Array.from({ length: CELLS }, (_, cell) => row[Math.floor(((cell + 0.5) * width * STRIP) / CELLS) * 4 + 1] ?? 0);
  const code = decodeCells(cells);
  return { codeUs: code === null ? null : unwrapCode(code, nowUs), fingerprint: hash >>> 0 };
}
