import { describe, expect, it } from 'vitest';
import { fit, MIN_TILE, pageSize, solve, solveFocus, type WallSpec } from './layout';

/** Room for tiles at the brief's three window sizes: bars, rails and padding taken off. */
const windows: [string, Omit<WallSpec, 'count' | 'page'>, { columns: number; rows: number; width: number }][] = [
  ['1024x700', { width: 904, height: 588, gap: 8, caption: 26, inset: 0.36 }, { columns: 6, rows: 5, width: 144 }],
  ['1440x900', { width: 860, height: 784, gap: 8, caption: 28, inset: 0.36 }, { columns: 5, rows: 6, width: 165 }],
  ['1920x1080', { width: 1292, height: 964, gap: 10, caption: 50, inset: 0.34 }, { columns: 6, rows: 5, width: 207 }],
];

describe.each(windows)('the wall at %s', (_, room, thirty) => {
  it('has the brief’s grid for 30 candidates', () => {
    const layout = solve({ ...room, count: 30, page: 0 });
    expect({ columns: layout.columns, rows: layout.rows, width: layout.tileWidth }).toEqual(thirty);
  });

  it.each([1, 2, 3, 7, 12, 29, 30, 31, 64, 118, 600])('shows each of %i candidates on exactly one page, inside, without overlap', (count) => {
    const pages = solve({ ...room, count, page: 0 }).pages;
    let shown = 0;
    for (let page = 0; page < pages; page++) {
      const layout = solve({ ...room, count, page });
      expect(layout.first).toBe(shown);
      expect(layout.tiles.length).toBeGreaterThan(0);
      shown += layout.tiles.length;
      layout.tiles.forEach(({ tile, picture, inset, caption }, i) => {
        expect(tile.x).toBeGreaterThanOrEqual(0);
        expect(tile.y).toBeGreaterThanOrEqual(0);
        expect(tile.x + tile.w).toBeLessThanOrEqual(room.width);
        expect(tile.y + tile.h).toBeLessThanOrEqual(room.height + 1);
        expect(picture.h + caption.h).toBe(tile.h);
        expect(inset.x).toBeGreaterThan(picture.x);
        expect(inset.y + inset.h).toBeLessThan(picture.y + picture.h);
        for (const other of layout.tiles.slice(i + 1)) {
          const apart = other.tile.x >= tile.x + tile.w || other.tile.y >= tile.y + tile.h || tile.x >= other.tile.x + other.tile.w;
          expect(apart).toBe(true);
        }
      });
    }
    expect(shown).toBe(count);
  });

  it.each([1, 4, 21, 30])('stands in the middle with %i candidates', (count) => {
    const { tiles } = solve({ ...room, count, page: 0 });
    const right = Math.max(...tiles.map(({ tile }) => tile.x + tile.w));
    const bottom = Math.max(...tiles.map(({ tile }) => tile.y + tile.h));
    expect(Math.abs(room.width - right - Math.min(...tiles.map(({ tile }) => tile.x)))).toBeLessThanOrEqual(1);
    expect(Math.abs(room.height - bottom - Math.min(...tiles.map(({ tile }) => tile.y)))).toBeLessThanOrEqual(1);
  });

  it('keeps the tile size on every page', () => {
    const widths = [0, 1, 2, 3].map((page) => solve({ ...room, count: 118, page }).tileWidth);
    expect(new Set(widths).size).toBe(1);
  });
});

describe('a wall that is too small', () => {
  const small = { width: 500, height: 300, gap: 8, caption: 26, inset: 0.36, count: 30, page: 0 };
  it('turns pages instead of shrinking', () => {
    const layout = solve(small);
    expect(layout.tileWidth).toBeGreaterThanOrEqual(MIN_TILE);
    expect(layout.pages).toBeGreaterThan(1);
  });
  it('always shows one tile', () => {
    expect(pageSize({ ...small, width: 60, height: 40 })).toBe(1);
    expect(pageSize({ ...small, count: 0 })).toBe(1);
  });
  it('holds a page that is out of range', () => {
    expect(solve({ ...small, page: 99 }).page).toBe(solve(small).pages - 1);
    expect(solve({ ...small, page: -1 }).page).toBe(0);
  });
});

describe('focus', () => {
  it('fits 16:9 into any box, with the inset inside', () => {
    for (const [w, h] of [[1068, 600], [400, 900], [1500, 300]] as const) {
      const { picture, inset } = solveFocus(w, h);
      expect(picture.w / picture.h).toBeCloseTo(16 / 9, 1);
      expect(picture.w).toBeLessThanOrEqual(w);
      expect(picture.h).toBeLessThanOrEqual(h);
      expect(inset.x + inset.w).toBeLessThan(picture.x + picture.w);
      expect(inset.y).toBeGreaterThan(picture.y);
    }
    expect(fit({ x: 0, y: 0, w: 160, h: 900 })).toEqual({ x: 0, y: 405, w: 160, h: 90 });
  });
});
