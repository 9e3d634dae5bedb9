/** One tile's decoder: key-frame gating, a bounded queue, and a decoder that fails starts again at a key frame. */
import { describe, lengthPrefixed } from './annexb';
import { CODEC, type PackedRecord } from './packed';
import type { HandleStatus, Picture } from './types';

/** Constrained baseline, level 3.1: what our encoders write. */
const H264 = 'avc1.42C01F';
/** Chunks that a decoder may hold before the tile waits for the next key frame. Rust sends at most a second of a tile at
 * once, 15 pictures: such a burst alone is no reason to lose pictures. */
const MAX_QUEUE = 24;
/** Key frames, and milliseconds, without any picture coming out, before a decoder counts as failed. */
const SILENT_KEYS = 3;
const SILENT_MS = 2000;
/** Failures in a row before a web view that has never decoded anything is given up. */
const HOPELESS = 4;

export interface DecoderHost {
  /** A new picture, or a change of status. */
  changed(): void;
  needKey(): void;
  /** The web view can't decode this codec. */
  unsupported(): void;
}

export class TileDecoder {
  picture: Picture | undefined;
  status: HandleStatus = 'waiting';
  #decoder: VideoDecoder | null = null;
  #codec = -1;
  #wantKey = true;
  #serial = 0;
  #silentKeys = 0;
  #silentSince = 0;
  #errors = 0;
  #generation = 0;
  #described: string | null = null;

  /** Whether H.264 goes in with lengths and a description; found out once, then true for all tiles. */
  static avcc = false;
  /** This web view has decoded H.264: from then on a failure is the stream's, and one bad stream changes nothing for others. */
  static proven = false;

  constructor(readonly host: DecoderHost) {}

  /** Nothing can be shown before the next key frame. */
  get starving(): boolean {
    return this.#wantKey;
  }

  push(record: PackedRecord): void {
    if (record.codec === CODEC.rgba) return this.#raw(record);
    if (typeof VideoDecoder === 'undefined' || typeof EncodedVideoChunk === 'undefined') return this.host.unsupported();
    if (this.#decoder && this.#codec !== record.codec) this.#drop();
    if (this.#wantKey && !record.key) return this.host.needKey();
    if (this.#decoder && this.#decoder.decodeQueueSize >= MAX_QUEUE) {
      // A key frame makes what waits before it worthless: the decoder starts again with it.
      this.#drop();
      if (!record.key) return this.host.needKey();
    }
    try {
      if (record.key) this.#configure(record);
      const avcc = record.codec === CODEC.h264 && TileDecoder.avcc;
      this.#decoder?.decode(
        new EncodedVideoChunk({
          type: record.key ? 'key' : 'delta',
          timestamp: Math.round(record.capturedAt),
          data: avcc ? lengthPrefixed(record.data) : record.data,
        }),
      );
      this.#wantKey = false;
    } catch {
      this.#failed();
    }
  }

  /** Keeps the picture, and decodes nothing before the next key frame. */
  restart(): void {
    this.#wantKey = true;
  }

  /** Forgets source and picture. */
  reset(): void {
    this.#drop();
    this.#serial++;
    this.#errors = 0;
    this.#silentKeys = 0;
    this.#setPicture(undefined);
    this.status = 'waiting';
  }

  #configure(record: PackedRecord): void {
    const avcc = record.codec === CODEC.h264 && TileDecoder.avcc;
    const described = avcc ? describe(record.data) : null;
    if (avcc && !described) throw new Error('a key frame without parameter sets');
    const fingerprint = described ? `${described.codec}${described.description.join()}` : null;
    if (this.#decoder && this.#described === fingerprint) {
      this.#noteKey();
      return;
    }
    this.#drop();
    const generation = ++this.#generation;
    this.#codec = record.codec;
    this.#described = fingerprint;
    this.#decoder = new VideoDecoder({
      output: (frame) => (generation === this.#generation ? this.#show(frame) : frame.close()),
      error: () => {
        if (generation === this.#generation) this.#failed();
      },
    });
    this.#decoder.configure({
      codec: described?.codec ?? (record.codec === CODEC.vp8 ? 'vp8' : H264),
      optimizeForLatency: true,
      ...(described ? { description: described.description } : {}),
    });
    this.#noteKey();
  }

  #noteKey(): void {
    if (this.#silentKeys++ === 0) this.#silentSince = performance.now();
    if (this.#silentKeys <= SILENT_KEYS || performance.now() - this.#silentSince < SILENT_MS) return;
    this.#silentKeys = 0;
    throw new Error('nothing comes out');
  }

  #show(frame: VideoFrame): void {
    this.#silentKeys = 0;
    this.#errors = 0;
    if (this.#codec === CODEC.h264) TileDecoder.proven = true;
    this.#setPicture({ image: frame, width: frame.displayWidth, height: frame.displayHeight, capturedAt: frame.timestamp, serial: ++this.#serial });
    this.status = 'live';
    this.host.changed();
  }

  #raw(record: PackedRecord): void {
    const { width, height, columns, rows, capturedAt } = record;
    if (width < 1 || height < 1 || columns < 1 || rows < 1 || record.data.length !== columns * rows * 4) return;
    // A copy: else each picture keeps the whole message that it came in.
    const image = new ImageData(new Uint8ClampedArray(record.data), columns, rows);
    this.#setPicture({ image, width, height, capturedAt, serial: ++this.#serial });
    this.status = 'live';
    this.host.changed();
  }

  #failed(): void {
    this.#drop();
    this.#errors++;
    this.#setPicture(undefined);
    this.status = 'failed';
    if (!TileDecoder.proven) {
      if (this.#errors > HOPELESS) this.host.unsupported();
      else TileDecoder.avcc = !TileDecoder.avcc;
    }
    this.host.changed();
    this.host.needKey();
  }

  #drop(): void {
    this.#generation++;
    this.#wantKey = true;
    this.#described = null;
    if (this.#decoder && this.#decoder.state !== 'closed') {
      try {
        this.#decoder.close();
      } catch {
        // It closed itself between the two lines.
      }
    }
    this.#decoder = null;
  }

  #setPicture(next: Picture | undefined): void {
    const before = this.picture?.image;
    this.picture = next;
    if (typeof VideoFrame !== 'undefined' && before instanceof VideoFrame) before.close();
  }
}

/** Whether this web view decodes what our encoders write. */
export async function canDecode(): Promise<boolean> {
  if (typeof VideoDecoder === 'undefined') return false;
  try {
    return (await VideoDecoder.isConfigSupported({ codec: H264, optimizeForLatency: true })).supported === true;
  } catch {
    return false;
  }
}
