/** Filters of the wall, in the order of the rail and of the keys 1 to 9 and 0. */
import type { Filter } from './facts';

export const FILTERS: readonly Filter[] = ['all', 'open', 'unwatched', 'unread', 'waiting', 'hand', 'online', 'degraded', 'lost', 'finished'];

/** Whom the wall shows, apart from how they are. */
export const WHO: readonly Filter[] = ['all', 'mine', 'unassigned'];
