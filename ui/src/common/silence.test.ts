import { expect, test } from 'vitest';
import { silence } from './silence';

test('what lasts a moment is not told, a network that lets nothing through is told at once', () => {
  expect(silence({ state: 'waiting' }, 9e6)).toBeNull();
  expect(silence({ state: 'up' }, 9e6)).toBeNull();
  expect(silence({ state: 'lost', since: 6e6 }, 9e6)).toBeNull();
  expect(silence({ state: 'lost', since: 5e6 }, 9e6)).toEqual({ since: 5e6, blocked: false });
  expect(silence({ state: 'blocked', since: 9e6 }, 9e6)).toEqual({ since: 9e6, blocked: true });
});
