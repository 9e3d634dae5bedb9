import { describe, expect, it } from 'vitest';
import { readJoinLink } from './joinlink';

describe('join links', () => {
  it('are recognised whole', () => {
    expect(readJoinLink(' invigil://10.0.0.5:8443/join?exam=MICRO-204&secret=7K3F-9QXT&sha256=ab \n')).toEqual({ server: '10.0.0.5:8443', exam: 'MICRO-204' });
  });
  it.each(['', 'MICRO-204', 'https://x/join?exam=A&secret=B', 'invigil://x/join?exam=A', 'invigil://x/join', 'invigil://x y/join?exam=A&secret=B'])('are not seen in %j', (text) => {
    expect(readJoinLink(text)).toBeNull();
  });
});
