// A small WebSocket server (RFC 6455), so that the tests need no package for it.
import { createHash } from 'node:crypto';

/** Upgrades a request; returns { send, close } and calls back with every message (Buffer, and whether it is text). */
export function accept(request, socket, onmessage) {
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  let pending = Buffer.alloc(0);
  let parts = [];
  let first = 0;
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    pending = Buffer.concat([pending, data]);
    for (;;) {
      if (pending.length < 2) return;
      let length = pending[1] & 0x7f;
      let at = 2;
      if (length === 126) {
        if (pending.length < 4) return;
        length = pending.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (pending.length < 10) return;
        length = Number(pending.readBigUInt64BE(2));
        at = 10;
      }
      if (pending.length < at + 4 + length) return;
      const mask = pending.subarray(at, at + 4);
      const body = Buffer.from(pending.subarray(at + 4, at + 4 + length)).map((byte, i) => byte ^ mask[i % 4]);
      const opcode = pending[0] & 0xf;
      const last = (pending[0] & 0x80) !== 0;
      pending = pending.subarray(at + 4 + length);
      if (opcode === 8) return socket.end();
      if (opcode > 8) continue;
      if (opcode !== 0) first = opcode;
      parts.push(body);
      if (!last) continue;
      const whole = Buffer.concat(parts);
      parts = [];
      onmessage(whole, first === 1);
    }
  });
  return {
    send(body) {
      const head = body.length < 126 ? Buffer.from([0x82, body.length]) : Buffer.alloc(body.length < 65536 ? 4 : 10);
      if (body.length >= 65536) {
        head.set([0x82, 127]);
        head.writeBigUInt64BE(BigInt(body.length), 2);
      } else if (body.length >= 126) {
        head.set([0x82, 126]);
        head.writeUInt16BE(body.length, 2);
      }
      socket.write(Buffer.concat([head, body]));
    },
    close: () => socket.destroy(),
  };
}
