import { describe as suite, expect, it } from 'vitest';
import { describe, lengthPrefixed, units } from './annexb';

const sps = [0x67, 0x42, 0xc0, 0x1f, 0xda];
const pps = [0x68, 0xce, 0x3c];
const idr = [0x65, 0x88, 0x00, 0x00, 0x03, 0x01];
const key = new Uint8Array([0, 0, 0, 1, ...sps, 0, 0, 0, 1, ...pps, 0, 0, 1, ...idr]);

suite('annex B', () => {
  it('finds units behind three- and four-byte start codes', () => {
    expect(units(key).map((unit) => [...unit])).toEqual([sps, pps, idr]);
    expect(units(new Uint8Array([1, 2, 3]))).toEqual([]);
    expect(units(new Uint8Array([0, 0, 1]))).toEqual([]);
  });
  it('describes a key frame as avcC', () => {
    const found = describe(key);
    expect(found?.codec).toBe('avc1.42C01F');
    expect([...(found?.description ?? [])]).toEqual([1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 5, ...sps, 1, 0, 3, ...pps]);
    expect(describe(new Uint8Array([0, 0, 1, ...idr]))).toBeNull();
  });
  it('puts lengths in front of what is not a parameter set', () => {
    expect([...lengthPrefixed(key)]).toEqual([0, 0, 0, idr.length, ...idr]);
  });
});
