/** The window's end of the media port: one loopback socket, one decoder per tile handle. */
import type { MediaPort } from '../bindings/MediaPort';
import type { MediaReply } from '../bindings/MediaReply';
import type { PublicationRef } from '../bindings/PublicationRef';
import { canDecode, TileDecoder } from './decoder';
import { unpack } from './packed';
import { read } from './timecode';
import type { HandleStatus, Media, Picture, Rect } from './types';

/** Handles are the window's own numbers, below the 64 slots of a subscribing transport. */
const MAX_HANDLES = 64;
/** A tile asks for a key frame at most this often, milliseconds: one takes a round trip and an encoder's pass. */
const KEY_PAUSE = 1000;
const RETRY_FIRST = 250;
const RETRY_LAST = 3000;

interface Handle {
  decoder: TileDecoder;
  screen: boolean;
  /** Reassigned, and Rust has not yet taken over the wish list: what arrives may be the source before. */
  gated: boolean;
  missedKey: boolean;
  askedAt: number;
  /** Asking again after the pause. */
  asking: ReturnType<typeof setTimeout> | undefined;
}

export interface MediaOptions {
  port: MediaPort;
  /** A new port and token: each is good for one connection. */
  renew: () => Promise<MediaPort>;
  /** Called once, when this web view can't decode. */
  onUnsupported: () => void;
}

export class MediaClient implements Media {
  readonly software: boolean;
  readonly measure: boolean;
  #handles = new Map<number, Handle>();
  #listeners = new Set<(handle: number) => void>();
  #socket: WebSocket | null = null;
  #closed = false;
  #retry = RETRY_FIRST;
  #unsupported = false;
  /** How large each handle is shown: `width height`, device pixels. */
  #sizes = new Map<number, string>();

  constructor(readonly options: MediaOptions) {
    this.software = options.port.software_canvas;
    this.measure = options.port.measure;
    this.#connect(options.port);
    const able = options.port.decode_in_app ? Promise.resolve(false) : canDecode();
    void able.then((decodes) => {
      if (!decodes) this.#noDecoder();
    });
  }

  picture(handle: number): Picture | undefined {
    return this.#handles.get(handle)?.decoder.picture;
  }

  status(handle: number): HandleStatus {
    return this.#handles.get(handle)?.decoder.status ?? 'waiting';
  }

  assign(handle: number, source: PublicationRef | null): void {
    const entry = this.#handle(handle);
    if (!entry) return;
    entry.decoder.reset();
    entry.gated = true;
    entry.missedKey = false;
    entry.askedAt = -KEY_PAUSE;
    clearTimeout(entry.asking);
    entry.asking = undefined;
    entry.screen = source?.publication.startsWith('screen/') ?? false;
    this.#tell(handle);
  }

  settled(): void {
    for (const [tile, entry] of this.#handles) {
      if (!entry.gated) continue;
      entry.gated = false;
      if (entry.missedKey) this.#askKey(tile, entry);
    }
  }

  subscribe(listener: (handle: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  sized(handle: number, width: number, height: number): void {
    const size = `${width} ${height}`;
    if (this.#sizes.get(handle) === size) return;
    this.#sizes.set(handle, size);
    this.#sendSize(handle, size);
  }

  drawn(handle: number, picture: Picture, context: CanvasRenderingContext2D, at: Rect): void {
    if (!this.measure) return;
    const drawn_at_us = Math.round((performance.timeOrigin + performance.now()) * 1000);
    const { codeUs, fingerprint } = read(context, at, drawn_at_us, this.#handles.get(handle)?.screen ?? false);
    this.#send({
      type: 'drawn',
      tile: handle,
      drawn_at_us,
      captured_at_us: Math.round(picture.capturedAt),
      code_us: codeUs,
      width: picture.width,
      height: picture.height,
      fingerprint,
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
    for (const entry of this.#handles.values()) {
      clearTimeout(entry.asking);
      entry.decoder.reset();
    }
  }

  #connect(port: MediaPort): void {
    if (this.#closed) return;
    const socket = new WebSocket(`ws://127.0.0.1:${port.port}/?token=${encodeURIComponent(port.token)}`);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#retry = RETRY_FIRST;
      // What was sent while no socket was there is missing: every stream goes on at a key frame.
      for (const entry of this.#handles.values()) entry.decoder.restart();
      for (const [handle, size] of this.#sizes) this.#sendSize(handle, size);
    };
    socket.onmessage = (event) => this.#message(event.data);
    socket.onclose = () => this.#again();
    this.#socket = socket;
  }

  #again(): void {
    if (this.#closed) return;
    const pause = this.#retry;
    this.#retry = Math.min(RETRY_LAST, this.#retry * 2);
    setTimeout(() => {
      this.options.renew().then(
        (port) => this.#connect(port),
        () => this.#again(),
      );
    }, pause);
  }

  #message(data: unknown): void {
    const message = data instanceof ArrayBuffer ? unpack(data) : null;
    if (!message) return;
    for (const record of message.records) {
      const entry = this.#handle(record.tile);
      if (!entry) continue;
      if (entry.gated) entry.missedKey ||= record.key;
      else entry.decoder.push(record);
    }
    this.#send({ type: 'ack', sequence: message.sequence });
  }

  #handle(tile: number): Handle | null {
    const known = this.#handles.get(tile);
    if (known) return known;
    if (tile >= MAX_HANDLES) return null;
    const entry: Handle = { decoder: this.#decoder(tile), screen: false, gated: false, missedKey: false, askedAt: -KEY_PAUSE, asking: undefined };
    this.#handles.set(tile, entry);
    return entry;
  }

  #decoder(tile: number): TileDecoder {
    return new TileDecoder({
      changed: () => this.#tell(tile),
      needKey: () => {
        const entry = this.#handles.get(tile);
        if (entry) this.#askKey(tile, entry);
      },
      unsupported: () => this.#noDecoder(),
    });
  }

  #askKey(tile: number, entry: Handle): void {
    if (entry.asking !== undefined) return;
    const pause = entry.askedAt + KEY_PAUSE - performance.now();
    if (pause > 0) {
      entry.asking = setTimeout(() => {
        entry.asking = undefined;
        if (!entry.gated && entry.decoder.starving) this.#askKey(tile, entry);
      }, pause);
      return;
    }
    entry.askedAt = performance.now();
    this.#send({ type: 'key', tile });
  }

  #noDecoder(): void {
    if (this.#unsupported) return;
    this.#unsupported = true;
    this.options.onUnsupported();
  }

  #sendSize(tile: number, size: string): void {
    const [width = 0, height = 0] = size.split(' ').map((n) => Math.min(0xffff, Number(n)));
    this.#send({ type: 'size', tile, width, height });
  }

  #send(reply: MediaReply): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(reply));
  }

  #tell(handle: number): void {
    for (const listener of this.#listeners) listener(handle);
  }
}
