/** One tile for every state that this version can show; the state's name stands where the label does. */
import type { CandidateTile } from '../common/bindings/CandidateTile';
import type { PublicationView } from '../common/bindings/PublicationView';
import type { HandleStatus } from '../common/media/types';
import { entry, now, signal, tile } from './proctor-fixtures';

const S = 1e6;
const pub = (publication: string, over: Partial<PublicationView> = {}): PublicationView => ({ publication, state: 'live', captured_at: now - S, changed_at: now - S, test_picture: false, layer: 'low', ...over });
const three = (camera: Partial<PublicationView> = {}, screen: Partial<PublicationView> = {}, microphone: Partial<PublicationView> = {}) => [pub('camera/0', camera), pub('screen/0', screen), pub('microphone/0', microphone)];

export function tileStates(): { tile: CandidateTile; status: HandleStatus }[] {
  const rows: [string, Partial<CandidateTile>, HandleStatus?][] = [
    ['Live', {}],
    ['Selected', {}],
    ['You listen', {}],
    ['Loading', {}, 'waiting'],
    ['Joining', { publications: [] }],
    ['Attention due', { looked_at: now - 498 * S }],
    ['Overdue', { looked_at: now - 702 * S }],
    ['Flagged medium', { open_signal: entry('x', 60 * S, signal('focus_lost', 'medium')) }],
    ['Flagged high', { open_signal: entry('x', 60 * S, signal('screen_lost', 'high')) }],
    ['Weak', { connection: 'weak', presence: 'degraded' }],
    ['Lost', { presence: 'lost', presence_since: now - 72 * S, connection: 'lost', publications: three({ captured_at: now - 73 * S }) }],
    ['Frozen', { publications: three({ captured_at: now - 12 * S }) }],
    ['Unchanged', { publications: three({ changed_at: now - 40 * S }) }],
    ['Camera stopped', { publications: three({ state: 'failed', captured_at: now - 130 * S }) }],
    ['No camera', { publications: three({ state: 'absent', captured_at: 0 }) }],
    ['No screen', { publications: three({}, { state: 'failed' }) }],
    ['No microphone', { publications: three({}, {}, { state: 'absent' }) }],
    ['Unread chat', { unread: 2 }],
    ['Test picture', { publications: three({ test_picture: true }) }],
    ['Cannot show', {}, 'failed'],
    ['Never looked', { looked_at: 0 }],
    ['Finished', { presence: 'finished', presence_since: now - 600 * S, publications: [] }],
  ];
  return rows.map(([label, over, status], i) => ({ tile: { ...tile(i + 1, { seat: null, looked_at: now - 84 * S, connection: 'good', ...over }), label }, status: status ?? 'live' }));
}
