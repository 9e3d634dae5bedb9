/** Bounds of the protocol that a window keeps too; shared/src/limits.rs has the reasons. */

/** Characters of a message between people. */
export const MAX_MESSAGE = 2000;
