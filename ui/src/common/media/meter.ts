/** Level meters, as wall and focus draw them. */
import type { Rect } from './types';

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export interface MeterColours {
  off: string;
  ok: string;
  warn: string;
}
export const meterColours = (): MeterColours => ({ off: css('--line-2'), ok: css('--ok-fill'), warn: css('--warn-fill') });

/** `level` 0 to 100; the top fifth is amber. */
export function paintMeter(context: CanvasRenderingContext2D, at: Rect, level: number, steps: number, colours: MeterColours): void {
  const lit = level <= 0 ? 0 : Math.max(1, Math.round((level / 100) * steps));
  const gap = steps > 8 ? 2 : 1;
  const width = (at.w - gap * (steps - 1)) / steps;
  for (let i = 0; i < steps; i++) {
    context.fillStyle = i >= lit ? colours.off : i >= steps * 0.8 ? colours.warn : colours.ok;
    context.fillRect(at.x + i * (width + gap), at.y, width, at.h);
  }
}
