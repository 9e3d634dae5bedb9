/** The packed message of the media port. The layout is that of `invigil-view`'s media.rs; all numbers little-endian. */

export const VERSION = 1;
export const MESSAGE_HEAD = 16;
export const RECORD_HEAD = 24;
export const CODEC = { h264: 0, vp8: 1, rgba: 2 } as const;

export interface PackedRecord {
  tile: number;
  key: boolean;
  codec: number;
  /** As it was captured, as far as known. */
  width: number;
  height: number;
  /** Of raw pictures: columns and rows of `data`; else 0. */
  columns: number;
  rows: number;
  capturedAt: number;
  data: Uint8Array<ArrayBuffer>;
}

export interface PackedMessage {
  sequence: number;
  sentAt: number;
  records: PackedRecord[];
}

/** Null for anything that is not a whole message of our version: nothing of it is used then. */
export function unpack(buffer: ArrayBuffer): PackedMessage | null {
  if (buffer.byteLength < MESSAGE_HEAD) return null;
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION) return null;
  const count = view.getUint16(2, true);
  const records: PackedRecord[] = [];
  let at = MESSAGE_HEAD;
  for (let i = 0; i < count; i++) {
    if (at + RECORD_HEAD > buffer.byteLength) return null;
    const length = view.getUint32(at + 16, true);
    const start = at + RECORD_HEAD;
    if (start + length > buffer.byteLength) return null;
    records.push({
      tile: view.getUint16(at, true),
      key: (view.getUint8(at + 2) & 1) === 1,
      codec: view.getUint8(at + 3),
      width: view.getUint16(at + 4, true),
      height: view.getUint16(at + 6, true),
      columns: view.getUint16(at + 20, true),
      rows: view.getUint16(at + 22, true),
      capturedAt: view.getFloat64(at + 8, true),
      data: new Uint8Array(buffer, start, length),
    });
    at = start + Math.ceil(length / 8) * 8;
  }
  return { sequence: view.getUint32(4, true), sentAt: view.getFloat64(8, true), records };
}
