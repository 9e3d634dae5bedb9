import { describe, expect, it } from 'vitest';
import { Handles, MAX_HANDLES } from './handles';

const source = (n: number) => ({ participant: `p${n}`, publication: 'camera/0' });
const list = (from: number, count: number) => Array.from({ length: count }, (_, i) => source(from + i));

describe('tile handles', () => {
  it('stay with their source while it is shown', () => {
    const handles = new Handles();
    handles.update(list(0, 30), () => undefined);
    const before = handles.of(source(29));
    const changed: number[] = [];
    handles.update(list(29, 10), (handle) => changed.push(handle));
    expect(handles.of(source(29))).toBe(before);
    expect(changed).not.toContain(before);
    expect(handles.of(source(0))).toBeNull();
  });
  it('are distinct, below the bound, and run out without harm', () => {
    const handles = new Handles();
    handles.update(list(0, 80), () => undefined);
    const given = list(0, 80).map((one) => handles.of(one)).filter((handle) => handle !== null);
    expect(given.length).toBe(MAX_HANDLES);
    expect(new Set(given).size).toBe(MAX_HANDLES);
    expect(Math.max(...given)).toBe(MAX_HANDLES - 1);
  });
  it('are used again as late as possible', () => {
    const handles = new Handles();
    handles.update([source(1)], () => undefined);
    const first = handles.of(source(1));
    handles.update([], () => undefined);
    handles.update([source(2)], () => undefined);
    expect(handles.of(source(2))).not.toBe(first);
  });
});
