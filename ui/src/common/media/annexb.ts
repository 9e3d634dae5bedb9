/** H.264 byte streams (ITU-T H.264 annex B) to the form that WKWebView wants: avcC and length-prefixed units
 * (ISO/IEC 14496-15 section 5.3.3.1). */

const TYPE_SPS = 7;
const TYPE_PPS = 8;

/** NAL units without their start codes. */
export function units(data: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  let start = -1;
  for (let i = 0; i + 2 < data.length; i++) {
    if (data[i] !== 0 || data[i + 1] !== 0 || data[i + 2] !== 1) continue;
    if (start >= 0) found.push(trim(data.subarray(start, i)));
    start = i + 3;
    i += 2;
  }
  if (start >= 0) found.push(data.subarray(start));
  return found.filter((unit) => unit.length > 0);
}

/** The zero that belongs to a four-byte start code of the unit after. */
function trim(unit: Uint8Array): Uint8Array {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end--;
  return unit.subarray(0, end);
}

const kind = (unit: Uint8Array) => (unit[0] ?? 0) & 0x1f;

export interface AvcDescription {
  codec: string;
  description: Uint8Array<ArrayBuffer>;
}

/** avcC from a key frame's parameter sets; null when they are not in it. */
export function describe(data: Uint8Array): AvcDescription | null {
  const all = units(data);
  const sps = all.find((unit) => kind(unit) === TYPE_SPS);
  const pps = all.find((unit) => kind(unit) === TYPE_PPS);
  if (!sps || sps.length < 4 || !pps) return null;
  const profile = [sps[1] ?? 0, sps[2] ?? 0, sps[3] ?? 0];
  const description = new Uint8Array(11 + sps.length + pps.length);
  description.set([1, ...profile, 0xff, 0xe1, sps.length >> 8, sps.length & 0xff]);
  description.set(sps, 8);
  description.set([1, pps.length >> 8, pps.length & 0xff], 8 + sps.length);
  description.set(pps, 11 + sps.length);
  return { codec: `avc1.${profile.map((n) => n.toString(16).padStart(2, '0').toUpperCase()).join('')}`, description };
}

/** The access unit with four-byte lengths in front of each unit; parameter sets stand in the description. */
export function lengthPrefixed(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = units(data).filter((unit) => kind(unit) !== TYPE_SPS && kind(unit) !== TYPE_PPS);
  const out = new Uint8Array(all.reduce((sum, unit) => sum + 4 + unit.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const unit of all) {
    view.setUint32(at, unit.length);
    out.set(unit, at + 4);
    at += 4 + unit.length;
  }
  return out;
}
