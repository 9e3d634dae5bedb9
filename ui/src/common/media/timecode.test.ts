import { describe, expect, it } from 'vitest';
import { decodeCells, unwrapCode } from './timecode';

function cells(code: number, white = 235, black = 16): number[] {
  let check = 0;
  for (let shift = 0; shift < 24; shift += 4) check ^= (code >> shift) & 0xf;
  const bits = (value: number, count: number) => Array.from({ length: count }, (_, i) => (value >> (count - 1 - i)) & 1);
  return [1, 0, ...bits(code, 24), ...bits(check, 4), 0, 1].map((bit) => (bit ? white : black));
}

describe('time code', () => {
  it('reads back any code, also from a grey picture', () => {
    for (const code of [0, 1, 0xabcdef, 0xffffff, 0x800000, 1234567]) {
      expect(decodeCells(cells(code))).toBe(code);
      expect(decodeCells(cells(code, 170, 60))).toBe(code);
    }
  });
  it('reads nothing where a cell is wrong, a sync cell is missing, or there is no strip', () => {
    for (let i = 0; i < 32; i++) {
      const wrong = cells(0x5a3c96);
      wrong[i] = 251 - (wrong[i] ?? 0);
      expect(decodeCells(wrong)).toBeNull();
    }
    expect(decodeCells(Array.from({ length: 32 }, () => 128))).toBeNull();
    expect(decodeCells([255, 0])).toBeNull();
  });
  it('finds the time nearest to now, across the wrap', () => {
    const start = 1_790_000_000_000_000;
    for (const at of [start, start + 167_772_160_000 - 20_000, start + 3]) {
      const code = Math.floor(at / 10_000) % 2 ** 24;
      expect(unwrapCode(code, at + 150_000)).toBe(Math.floor(at / 10_000) * 10_000);
      expect(unwrapCode(code, at - 30_000)).toBe(Math.floor(at / 10_000) * 10_000);
    }
  });
});
