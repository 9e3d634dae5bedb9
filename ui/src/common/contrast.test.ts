/** The brief's contrast figures, computed from tokens.css (WCAG 2.2, 1.4.3 and 1.4.11). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8').replace(/@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g, '');

function tokens(theme: 'dark' | 'light', app: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, selector = '', body = ''] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    const names = selector.replace(/\/\*[\s\S]*?\*\//g, '').split(',').map((one) => one.trim());
    const applies = names.some((name) => name === ':root' || name === `[data-theme="${theme}"]` || name === `[data-app="${app}"]` || name === `[data-theme="${theme}"][data-app="${app}"]`);
    // ":root, [dark]" holds the dark values; light's own block comes later and wins.
    if (applies) for (const [, name = '', value = ''] of body.matchAll(/(--[\w-]+):\s*([^;]+);/g)) found.set(name, value.trim());
  }
  return found;
}
function luminance(hex: string): number {
  const parts = /^#(..)(..)(..)$/.exec(hex);
  if (!parts) throw new Error(`not a colour: ${hex}`);
  const [r = 0, g = 0, b = 0] = parts.slice(1).map((part) => {
    const c = Number.parseInt(part, 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
export function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

it('computes contrast as WCAG does', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

describe.each([['dark', 'proctor'], ['light', 'proctor'], ['dark', 'candidate'], ['light', 'candidate']] as const)('%s, %s', (theme, app) => {
  const all = tokens(theme, app);
  const value = (name: string) => {
    const found = all.get(name);
    if (!found) throw new Error(`no token ${name}`);
    return found;
  };
  const grounds = ['--app', '--panel', '--raised', '--inset', '--hover'];

  it.each(['--text', '--text-2', '--text-3'])('%s is readable on every ground', (text) => {
    for (const ground of grounds) expect(contrast(value(text), value(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  });
  it.each(['ok', 'warn', 'high', 'info', 'wait'])('%s is readable on the panel and on its own ground', (tone) => {
    for (const ground of ['--panel', `--${tone}-bg`]) expect(contrast(value(`--${tone}`), value(ground)), ground).toBeGreaterThanOrEqual(4.5);
  });
  it('buttons, focus ring and outlines stand out', () => {
    for (const solid of ['--accent-solid', '--accent-solid-hover', '--high-solid', '--high-solid-hover']) expect(contrast(value('--text-on'), value(solid)), solid).toBeGreaterThanOrEqual(4.5);
    for (const ground of [...grounds, '--wall']) expect(contrast(value('--focus'), value(ground)), `focus on ${ground}`).toBeGreaterThanOrEqual(3);
    for (const ground of ['--panel', '--inset']) expect(contrast(value('--line-control'), value(ground)), `outline on ${ground}`).toBeGreaterThanOrEqual(3);
  });
  it('chips on video are readable', () => {
    for (const text of [value('--chip-text'), '#f1b83c', '#ff8e82', '#8cc5ff', '#62d39d']) expect(contrast(text, value('--chip'))).toBeGreaterThanOrEqual(7);
    expect(contrast('#ffffff', '#cb3328')).toBeGreaterThanOrEqual(4.5);
    expect(contrast('#1d1503', '#f1b83c')).toBeGreaterThanOrEqual(4.5);
  });
});
