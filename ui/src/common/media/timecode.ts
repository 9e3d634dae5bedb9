/** Measure mode: the time code that another process paints at the bottom of the candidate's screen, read back from the
 * picture as it was drawn. Strip: full width, a 18th of the height, 32 cells: white, black, 24 bits of
 * (unix_us / 10000) mod 2^24, 4 bits of their nibbles' xor, black, white. */
import type { Picture } from './types';

const CELLS = 32;
const CELL_PX = 3;
const ROWS = 3;
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

interface Scratch {
  strip: CanvasRenderingContext2D | null;
  mini: CanvasRenderingContext2D | null;
}
let scratch: Scratch | null = null;

function surface(width: number, height: number): CanvasRenderingContext2D | null {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext('2d', { alpha: false, willReadFrequently: true });
}
const surfaces = (): Scratch => (scratch ??= { strip: surface(CELLS * CELL_PX, ROWS), mini: surface(8, 8) });

/** Microseconds since the Unix epoch, or null when the picture holds no readable code. */
export function readTimeCode(picture: Picture, nowUs: number): number | null {
  const { strip } = surfaces();
  if (!strip) return null;
  const height = picture.height / 18;
  strip.drawImage(picture.image, 0, picture.height - height * 0.75, picture.width, height * 0.5, 0, 0, CELLS * CELL_PX, ROWS);
  const { data } = strip.getImageData(0, 0, CELLS * CELL_PX, ROWS);
  const cells: number[] = [];
  for (let cell = 0; cell < CELLS; cell++) {
    let sum = 0;
    for (let row = 0; row < ROWS; row++) sum += data[(row * CELLS * CELL_PX + cell * CELL_PX + 1) * 4 + 1] ?? 0;
    cells.push(sum / ROWS);
  }
  const code = decodeCells(cells);
  return code === null ? null : unwrapCode(code, nowUs);
}

/** FNV-1a over a few pixels: two pictures with different content almost always differ in it. */
export function fingerprint(picture: Picture): number {
  const { mini } = surfaces();
  if (!mini) return 0;
  mini.drawImage(picture.image, 0, 0, 8, 8);
  let hash = 0x811c9dc5;
  for (const byte of mini.getImageData(0, 0, 8, 8).data) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
