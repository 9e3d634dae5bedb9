/** What a source's state means for the person in front of it. */
import type { Kind } from '../common/bindings/Kind';
import type { SourceView } from '../common/bindings/SourceView';

export const kindOf = (source: SourceView): Kind => source.publication.split('/')[0] as Kind;

export type Verdict = 'works' | 'better' | 'needs' | 'checking' | 'skipped';

/** Only what the exam can't start without blocks it. */
export function judge(source: SourceView): Verdict {
  if (source.rule === 'off') return 'skipped';
  if (source.state === 'live') return source.problem || source.test_picture ? 'better' : 'works';
  if (source.state === 'starting' && !source.problem) return 'checking';
  return source.rule === 'required' ? 'needs' : 'better';
}
