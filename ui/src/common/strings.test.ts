import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'svelte/compiler';
import { describe, expect, it } from 'vitest';
import { isKey, notice, strings, t } from './strings';

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((file) => join('src', file));
const bindings = (name: string) => readFileSync(new URL(`./bindings/${name}.ts`, import.meta.url), 'utf8');
const variants = (name: string) => [...(bindings(name).match(/export type \w+ = ([^;]+);/)?.[1] ?? '').matchAll(/"([a-z0-9_]+)"/g)].map((match) => match[1] ?? '');

describe('the catalogue', () => {
  it('has words for every error code that the server knows', () => {
    const codes = variants('ErrorCode');
    expect(codes.length).toBeGreaterThan(30);
    expect(codes.filter((code) => !isKey(`notice.${code}`))).toEqual([]);
  });
  it.each([
    ['IntegrityKind', ['event.', 'event.chip.']],
    ['Presence', ['presence.', 'event.presence.']],
    ['ConnectionLevel', ['connection.', 'connection.word.']],
    ['Severity', ['severity.', 'severity.short.']],
    ['Observer', ['observer.']],
    ['ExamStatus', ['status.', 'office.next.']],
    ['FaultCode', ['fault.']],
    ['SourceRule', ['office.rule.']],
    ['OfficeStep', ['office.step.']],
  ])('has words for every %s', (name, prefixes) => {
    const all = variants(name);
    expect(all.length).toBeGreaterThan(2);
    expect(all.flatMap((one) => prefixes.map((prefix) => prefix + one)).filter((key) => !isKey(key))).toEqual([]);
  });
  it('has words for every code that the apps name in Rust', () => {
    const rust = readdirSync('../src-tauri', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.rs') && !/target|tests/.test(file));
    const texts = [bindings('SourceView'), bindings('Notice'), ...rust.map((file) => readFileSync(join('../src-tauri', file), 'utf8'))].join('\n');
    const named = [...texts.matchAll(/[`"]((?:camera|microphone|screen|speaker)_(?:none|denied|gone|in_use|silent|unsupported))[`"]|(?:Notice|SourceProblem)::new\("(\w+)"/g)].map((match) => match[1] ?? match[2] ?? '');
    expect(named.length).toBeGreaterThan(20);
    expect([...new Set(named)].filter((code) => !isKey(`notice.${code}`))).toEqual([]);
  });
  it('fills in parameters and picks the sentence that has them', () => {
    expect(t('wall.page', { from: 1, to: 30, total: 118 })).toBe('1 to 30 of 118');
    expect(notice('secret_wrong', { tries_left: '4' })).toContain('4');
    expect(notice('secret_wrong')).not.toContain('{');
    expect(notice('of_a_later_version')).toBe(strings['notice.unknown']);
  });
  it('blames nobody and does not shout', () => {
    const bad = Object.entries(strings).filter(([, text]) => /\b(user|student|violation|cheat\w*|suspicious)\b|!|failed identity/i.test(text));
    expect(bad).toEqual([]);
  });
  it('holds no word that nothing shows', () => {
    const sources = files.filter((file) => /\.(svelte|ts)$/.test(file) && !file.endsWith('strings.ts') && !file.endsWith('.test.ts')).map((file) => readFileSync(file, 'utf8')).join('\n');
    // Keys that are put together from a code: their prefix stands in a template literal.
    const prefixes = [...sources.matchAll(/[`'"]([a-z_]+(?:\.[a-z_]+)*\.)\$\{/g)].map((match) => match[1] ?? '');
    const made = [...sources.matchAll(/`([a-z_]+\.)\$\{[^}]+\}(_[a-z]+)`/g)].map((match) => match[1] ?? '');
    const unused = Object.keys(strings).filter((key) => !sources.includes(`'${key}'`) && !key.startsWith('notice.') && ![...prefixes, ...made].some((prefix) => key.startsWith(prefix)));
    expect(unused).toEqual([]);
  });
});

interface Node {
  type: string;
  data?: string;
  name?: string;
  value?: unknown;
  [field: string]: unknown;
}
const SPOKEN = new Set(['aria-label', 'aria-description', 'aria-roledescription', 'title', 'placeholder', 'alt', 'label', 'head', 'text']);

/** Text between tags and in attributes that people hear or read. */
export function literals(source: string): string[] {
  const found: string[] = [];
  const words = (text: string) => /\p{L}{2,}/u.test(text);
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (value === null || typeof value !== 'object') return;
    const node = value as Node;
    if (node.type === 'Attribute') {
      if (SPOKEN.has(node.name ?? '')) for (const part of [node.value].flat()) if ((part as Node | undefined)?.type === 'Text' && words((part as Node).data ?? '')) found.push((part as Node).data ?? '');
      return;
    }
    if (node.type === 'Text' && words(node.data ?? '')) found.push(node.data ?? '');
    for (const [field, child] of Object.entries(node)) if (field !== 'css' && field !== 'instance' && field !== 'module') walk(child);
  };
  walk(parse(source, { modern: true }).fragment);
  return found;
}

describe('components', () => {
  it('are caught when they hold words of their own', () => {
    expect(literals('<p>Hello</p>')).toEqual(['Hello']);
    expect(literals('<input placeholder="Type here" class="wide text">')).toEqual(['Type here']);
    expect(literals('{#if a}<b>{t("x")}</b> · {/if}')).toEqual([]);
  });
  it.each(files.filter((file) => file.endsWith('.svelte') && !file.includes('states/')))('%s has none', (file) => {
    expect(literals(readFileSync(file, 'utf8')).filter((text) => text !== 'Esc' && text !== 'Enter')).toEqual([]);
  });
});
