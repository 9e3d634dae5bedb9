/** Pictures that Rust decoded. */

/** BT.601, limited range: for web views that have no VideoFrame. Small pictures only; Rust sends nothing else then. */
export function toRgba(data: Uint8Array, width: number, height: number, out: Uint8ClampedArray): void {
  const half = width >> 1;
  const uAt = width * height;
  const vAt = uAt + half * (height >> 1);
  let o = 0;
  for (let y = 0; y < height; y++) {
    const row = (y >> 1) * half;
    for (let x = 0; x < width; x++) {
      const luma = 1.164 * ((data[y * width + x] ?? 16) - 16);
      const u = (data[uAt + row + (x >> 1)] ?? 128) - 128;
      const v = (data[vAt + row + (x >> 1)] ?? 128) - 128;
      out[o++] = luma + 1.596 * v;
      out[o++] = luma - 0.392 * u - 0.813 * v;
      out[o++] = luma + 2.017 * u;
      out[o++] = 255;
    }
  }
}

/** Bytes of a picture; null when the size is not one we send. */
export function i420Size(width: number, height: number): number | null {
  if (width < 2 || height < 2 || width % 2 === 1 || height % 2 === 1) return null;
  return (width * height * 3) / 2;
}
