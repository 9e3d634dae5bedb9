import { describe, expect, it } from 'vitest';
import { MESSAGE_HEAD, RECORD_HEAD, unpack } from './packed';

/** As media.rs packs it. */
function pack(sequence: number, records: { tile: number; key: boolean; codec: number; data: number[] }[]): ArrayBuffer {
  const padded = (n: number) => Math.ceil(n / 8) * 8;
  const buffer = new ArrayBuffer(MESSAGE_HEAD + records.reduce((sum, record) => sum + RECORD_HEAD + padded(record.data.length), 0));
  const view = new DataView(buffer);
  view.setUint8(0, 1);
  view.setUint16(2, records.length, true);
  view.setUint32(4, sequence, true);
  view.setFloat64(8, 1.5e15, true);
  let at = MESSAGE_HEAD;
  for (const record of records) {
    view.setUint16(at, record.tile, true);
    view.setUint8(at + 2, record.key ? 1 : 0);
    view.setUint8(at + 3, record.codec);
    view.setUint16(at + 4, 320, true);
    view.setUint16(at + 6, 180, true);
    view.setFloat64(at + 8, 1.7e15, true);
    view.setUint32(at + 16, record.data.length, true);
    view.setUint16(at + 20, 171, true);
    view.setUint16(at + 22, 96, true);
    new Uint8Array(buffer).set(record.data, at + RECORD_HEAD);
    at += RECORD_HEAD + padded(record.data.length);
  }
  return buffer;
}
const two = () => pack(7, [{ tile: 3, key: true, codec: 0, data: [1, 2, 3] }, { tile: 63, key: false, codec: 2, data: [9, 8, 7, 6, 5, 4, 3, 2, 1] }]);

describe('unpack', () => {
  it('reads every field of every record', () => {
    const message = unpack(two());
    expect(message?.sequence).toBe(7);
    expect(message?.sentAt).toBe(1.5e15);
    expect(message?.records.map(({ data, ...rest }) => ({ ...rest, data: [...data] }))).toEqual([
      { tile: 3, key: true, codec: 0, width: 320, height: 180, columns: 171, rows: 96, capturedAt: 1.7e15, data: [1, 2, 3] },
      { tile: 63, key: false, codec: 2, width: 320, height: 180, columns: 171, rows: 96, capturedAt: 1.7e15, data: [9, 8, 7, 6, 5, 4, 3, 2, 1] },
    ]);
  });
  it('takes nothing from a message that is cut anywhere', () => {
    const whole = two();
    for (let length = 0; length < whole.byteLength - 7; length++) expect(unpack(whole.slice(0, length))).toBeNull();
  });
  it('takes nothing of another version, or with a length past the end', () => {
    const other = two();
    new Uint8Array(other)[0] = 2;
    expect(unpack(other)).toBeNull();
    const long = two();
    new DataView(long).setUint32(MESSAGE_HEAD + 16, 0xffffffff, true);
    expect(unpack(long)).toBeNull();
  });
});
